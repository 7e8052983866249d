"use strict";
// `film` says which step each scene shows, when it begins (ms), and how long it stays.
const slider = document.getElementById("at");
const button = document.getElementById("play");
const label = document.getElementById("step");
const moves = document.getAnimations();
let timer = 0;

function show(index) {
  slider.value = index;
  for (const move of moves) {
    move.pause();
    move.currentTime = film.starts[index] + 0.01;
  }
  const words = "step " + film.steps[index].toLocaleString("en");
  label.textContent = words;
  slider.setAttribute("aria-valuetext", words);
}

function stop() {
  clearInterval(timer);
  timer = 0;
  button.textContent = "Play";
}

function play() {
  if (timer) return stop();
  if (Number(slider.value) === film.steps.length - 1) show(0);
  button.textContent = "Pause";
  timer = setInterval(() => {
    const next = Number(slider.value) + 1;
    if (next >= film.steps.length) return stop();
    show(next);
  }, film.pause);
}

// The scene of the step in the address, or the last one before it.
function open() {
  const found = /(?:^#|&)step=(\d+)/.exec(location.hash);
  if (!found) return show(0);
  const before = film.steps.filter((step) => step <= Number(found[1])).length;
  show(Math.max(0, before - 1));
}

slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
slider.addEventListener("change", () => {
  history.replaceState(null, "", "#step=" + film.steps[Number(slider.value)]);
});
button.addEventListener("click", play);
addEventListener("hashchange", () => { stop(); open(); });
open();
