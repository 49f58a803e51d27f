// The curves of a run: a small figure for each number that it or its machine logged.

import { clear, color, make, plot } from "./plotting.js";

const HEIGHT = 230;

export async function drawCurves(place, { x, curves, left_out }) {
  const words = place.querySelector("p");
  words.textContent = left_out.length
    ? `Without a figure, for lack of room: ${left_out.join(", ")}.`
    : curves.length ? "" : "No numbers are logged yet.";
  words.hidden = words.textContent === "";
  let group = place.querySelector(".curves");
  if (!group) {
    group = make("div", "", { class: "curves" });
    place.prepend(group);
  }
  const known = new Map([...group.children].map((figure) => [figure.dataset.key, figure]));
  const drawings = [];
  for (const [number, curve] of curves.entries()) {
    const figure = known.get(curve.name) ?? make("figure", "", { "data-key": curve.name });
    known.delete(curve.name);
    const next = group.children[number] ?? null;
    if (next !== figure) group.insertBefore(figure, next);
    drawings.push(drawCurve(figure, curve, curve.by ?? x));
  }
  await Promise.all(drawings);
  for (const gone of known.values()) {
    clear(gone.lastElementChild);
    gone.remove();
  }
}

async function drawCurve(figure, { name, x, y, alt }, xTitle) {
  if (!figure.firstElementChild) figure.append(make("h3", name), make("p"), make("div"));
  const [, words, drawing] = figure.children;
  const finite = y.filter((value) => value !== null);
  words.textContent = finite.length ? "" : alt;
  words.hidden = finite.length > 0;
  if (!finite.length) {
    clear(drawing);
    return;
  }
  const trace = {
    x,
    y,
    mode: finite.length > 50 ? "lines" : "lines+markers",
    line: { color: color("curve"), width: 2 },
    marker: { size: 5 },
    connectgaps: false,
    hovertemplate: `${xTitle} %{x}: <b>%{y:.5g}</b><extra></extra>`,
  };
  await plot(drawing, [trace], layoutFor(xTitle), alt);
}

function layoutFor(xTitle) {
  const axis = {
    gridcolor: color("line"),
    linecolor: color("soft"),
    zeroline: false,
    automargin: true,
    ticklabeloverflow: "hide past div",
  };
  return {
    height: HEIGHT,
    margin: { l: 46, r: 12, t: 6, b: 36 },
    font: { family: "system-ui, sans-serif", size: 12, color: color("soft") },
    hovermode: "x",
    hoverlabel: { font: { size: 13 } },
    showlegend: false,
    template: { layout: {} },
    xaxis: { ...axis, title: { text: xTitle, standoff: 4 }, showgrid: false, showline: true },
    yaxis: { ...axis, nticks: 6 },
  };
}
