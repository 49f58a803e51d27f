// Below each picture of a figure: a button that draws it anew so that it can be pointed at.
"use strict";

let plotly; // loaded once, when somebody asks for the first figure: it has four megabytes

function loadPlotly() {
  plotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("plotly.min.js", here);
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });
  return plotly;
}

const here = document.currentScript.src;

for (const figure of document.querySelectorAll(".sweep-figure")) {
  const picture = figure.querySelector("img");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Interactive figure";
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await loadPlotly();
      const { data, layout } = JSON.parse(figure.querySelector("script").textContent);
      const drawing = document.createElement("div");
      drawing.role = "img";
      drawing.ariaLabel = picture.alt;
      drawing.style.width = `${picture.getAttribute("width")}px`;
      picture.replaceWith(drawing);
      button.remove();
      // As wide as the picture was drawn, since a legend does not fit into less; the page scrolls it.
      await window.Plotly.newPlot(drawing, data, { ...layout, width: Number(picture.getAttribute("width")) });
    } catch {
      button.textContent = "The figure could not be loaded; the picture shows the same.";
    }
  });
  figure.append(button);
}
