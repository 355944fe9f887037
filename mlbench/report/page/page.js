"use strict";
// Everything but the charts works without this script.

async function draw(figure) {
  const spec = JSON.parse(figure.querySelector("script").textContent);
  const box = figure.querySelector(".chart");
  try {
    await vegaEmbed(box, spec, { renderer: "svg", actions: false });
  } catch (error) {
    box.textContent = `This chart could not be drawn: ${error.message}`;
    console.error(error);
  }
}

async function drawAll() {
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    await draw(figure);
    await new Promise((resume) => setTimeout(resume));  // the page stays alive in between
  }
  document.documentElement.dataset.drawn = "";
}

for (const button of document.querySelectorAll("button.copy")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.closest("[popover]").querySelector("code").textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}

// What is closed on the screen is open on paper.
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const details of closed) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of closed) details.open = false;
});

drawAll();
