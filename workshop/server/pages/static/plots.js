// The figures of a page: fetched from JSON addresses, drawn by plotly, renewed in place.

import { drawCurves } from "./curves.js";
import { drawFigures } from "./figures.js";
import { Source } from "./source.js";

const RETRY = 1500; // milliseconds, while the server draws
const dark = matchMedia("(prefers-color-scheme: dark)");

for (const place of document.querySelectorAll("[data-figures]")) {
  keep(place, () => `${place.dataset.figures}?theme=${dark.matches ? "dark" : "light"}`, drawFigures);
}
for (const place of document.querySelectorAll("[data-curves]")) {
  keep(place, () => place.dataset.curves, drawCurves);
}

// Draws what is at an address now, whenever the page is polled, and when the colours change.
// `draw` returns whether the data was complete.
function keep(place, address, draw) {
  let source = new Source(address());
  let data = null;
  let timer;

  async function fetchAndDraw() {
    clearTimeout(timer);
    let news;
    try {
      news = await source.news();
    } catch {
      return; // the page's own poll tells what is wrong, and comes back
    }
    if (news !== null) data = JSON.parse(news);
    if (news !== null && !(await draw(place, data))) timer = setTimeout(fetchAndDraw, RETRY);
  }

  document.addEventListener("poll", fetchAndDraw);
  dark.addEventListener("change", () => {
    source = new Source(address());
    fetchAndDraw();
  });
  fetchAndDraw();
}
