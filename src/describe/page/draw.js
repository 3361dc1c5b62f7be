
// Draws each chart of a page at the width of its place, and again where that changes. It ends the page's script.

const charts = JSON.parse(document.getElementById("data").textContent);
const widths = new Map();

function draw() {
  for (const place of document.querySelectorAll("[data-chart]")) {
    const width = Math.floor(place.clientWidth);
    if (!(width > 0) || widths.get(place) === width) continue;
    widths.set(place, width);
    const spec = { ...charts[place.dataset.chart], width };
    place.innerHTML = spec.pieces ? bars(spec) : chart(spec);
  }
}

draw();
addEventListener("resize", draw);
