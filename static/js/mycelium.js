"use strict";

const ENDED = {
  4401: ["Signed out", "bad"],
  4403: ["Revoked", "bad"],
  4408: ["Expired", "virtual"],
  4410: ["Moved", "virtual"],
  4429: ["Too slow", "bad"],
};
const clock = () => new Date().toISOString().slice(11, 19) + " UTC";

function mark(text, shape) {
  const live = document.getElementById("live-mark");
  if (!live || live.textContent === text) return;
  live.hidden = false;
  live.className = "state " + shape;
  live.textContent = text;
}

document.addEventListener("htmx:ws:after:connection", () => mark("Live", "live"));
document.addEventListener("htmx:ws:close", (event) => {
  const { code, reason } = event.detail;
  if (reason === "removed") return;
  if (ENDED[code]) mark(`${ENDED[code][0]} ${clock()}`, ENDED[code][1]);
  else if (document.hidden) mark("Paused", "virtual");
  else if (!document.getElementById("live-mark")?.textContent.startsWith("Reconnecting")) mark(`Reconnecting since ${clock()}`, "wait");
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted && document.getElementById("live-mark")) location.reload();
});

const KEYS = "letter-keys";
const keysOn = () => localStorage.getItem(KEYS) !== "off";
const typing = (target) => target.closest?.("input, textarea, select, [contenteditable]");

function showKeys() {
  for (const button of document.querySelectorAll("[data-keys]")) {
    button.closest("[data-keys-help]").hidden = false;
    button.setAttribute("aria-pressed", String(keysOn()));
    button.textContent = `Letter keys are ${keysOn() ? "on" : "off"}`;
  }
}

function step(by) {
  const cases = [...document.querySelectorAll(".queue a")];
  cases[cases.findIndex((link) => link.hasAttribute("aria-current")) + by]?.click();
}

function press(key) {
  if (key === "j" || key === "k") return step(key === "j" ? 1 : -1);
  if (key === "n") return document.querySelector(".decide textarea")?.focus();
  const target = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (target?.matches("input")) target.focus();
  else target?.click();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.key.length !== 1) return;
  if (!keysOn() || typing(event.target)) return;
  if (event.key === "/" || event.key === "n") event.preventDefault();
  press(event.key);
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (button?.matches("[data-keys]")) {
    localStorage.setItem(KEYS, keysOn() ? "off" : "on");
    showKeys();
  } else if (button?.dataset.copy) {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  }
});

function showCopy() {
  if (navigator.clipboard) for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
}

function showCase() {
  for (const link of document.querySelectorAll(".queue a")) {
    if (link.pathname === location.pathname) link.setAttribute("aria-current", "true");
  }
}

document.addEventListener("htmx:after:swap", () => {
  showCopy();
  showCase();
});
showKeys();
showCopy();
