// The figures of a sweep, which the server has drawn.

import { clear, make, plot } from "./plotting.js";

export async function drawFigures(place, figures) {
  for (const element of place.querySelectorAll("[data-figure]")) {
    const figure = figures[element.dataset.figure];
    if (figure) await drawFigure(element, figure);
  }
}

async function drawFigure(element, { message, subtitle, data, layout, alt, width }) {
  element.querySelector("p").textContent = message ?? subtitle ?? "";
  let region = element.querySelector(".wide");
  if (message) {
    if (region) clear(region.firstElementChild);
    region?.remove();
    return;
  }
  if (!region) {
    const label = element.querySelector("h3").textContent;
    region = make("div", "", { class: "wide", role: "region", "aria-label": label, tabindex: "0" });
    region.append(make("div"));
    element.append(region);
  }
  region.firstElementChild.style.minWidth = `${width}px`;
  await plot(region.firstElementChild, data, layout, alt);
}
