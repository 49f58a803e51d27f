// The figures of a page: fetched from JSON addresses, drawn by plotly, renewed in place.

import { drawCurves } from "./curves.js";
import { drawFigures } from "./figures.js";
import { NoAnswer, Source } from "./source.js";

const dark = matchMedia("(prefers-color-scheme: dark)");

for (const place of document.querySelectorAll("[data-figures]")) {
  keep(place, () => `${place.dataset.figures}?theme=${dark.matches ? "dark" : "light"}`, drawFigures);
}
for (const place of document.querySelectorAll("[data-curves]")) {
  keep(place, () => place.dataset.curves, drawCurves);
}

// Draws what is at an address now, whenever the page is polled, when the server has said that
// there will be more, and when the colors change.
function keep(place, address, draw) {
  const folded = place.closest("details");
  let source = new Source(address());
  let timer;
  let underWay = false;
  let again = false;

  async function fetchAndDraw() {
    again = underWay;
    if (underWay || (folded && !folded.open)) return;
    underWay = true;
    clearTimeout(timer);
    try {
      const news = await source.news();
      if (news !== null) await draw(place, JSON.parse(news));
    } catch (error) {
      // The page's own poll tells what is wrong with the server, and comes back.
      if (!(error instanceof NoAnswer)) throw error;
    } finally {
      underWay = false;
    }
    if (again) fetchAndDraw();
    else if (source.retryAfter) timer = setTimeout(fetchAndDraw, source.retryAfter);
  }

  document.addEventListener("poll", fetchAndDraw);
  folded?.addEventListener("toggle", fetchAndDraw);
  dark.addEventListener("change", () => {
    source = new Source(address());
    fetchAndDraw();
  });
  fetchAndDraw();
}
