// What all figures of the pages have in common.

const CONFIG = {
  displaylogo: false,
  responsive: true,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
};

// Draws a figure in an element, or changes the one that is there; the reader's zoom stays.
export async function plot(element, data, layout, alt) {
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", alt);
  const ground = { paper_bgcolor: "transparent", plot_bgcolor: "transparent" };
  await Plotly.react(element, data, { uirevision: true, ...layout, ...ground }, CONFIG);
}

// Removes a figure from an element.
export function clear(element) {
  if (element.classList.contains("js-plotly-plot")) Plotly.purge(element);
  element.removeAttribute("role");
  element.removeAttribute("aria-label");
  element.replaceChildren();
}

// Returns a color of the page's style sheet.
export function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// Returns a new element with a text.
export function make(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
