// The report is whole without this script. It adds the filter, the buttons that copy, and what is printed: everything.
"use strict";

const $ = (id) => document.getElementById(id);
const findings = [...document.querySelectorAll(".findings > li")];
const texts = new Map();

function textOf(finding) {
  if (!texts.has(finding)) texts.set(finding, finding.textContent.toLowerCase());
  return texts.get(finding);
}

function applyFilter() {
  const words = $("text").value.toLowerCase().split(/\s+/);
  const chosen = ["grade", "operation", "rule"].map((name) => [name, $(name).value]).filter(([, value]) => value);
  const fitting = findings.filter((finding) => chosen.every(([name, value]) => finding.dataset[name] === value)
    && words.every((word) => textOf(finding).includes(word)));
  const list = document.querySelector(".findings");
  if (list.children.length !== fitting.length || fitting.some((finding, index) => list.children[index] !== finding)) {
    list.replaceChildren(...fitting); // to hide hundreds instead would take Chromium half a second
  }
  for (const count of $("shown").children) { // "1 of 2 findings, 3 notes": the numbers of the verdict
    const [shown, all] = [fitting, findings].map((some) => some.filter(({ dataset }) => dataset.kind === count.dataset.kind).length);
    count.textContent = shown === all ? all : `${shown} of ${all}`;
  }
  $("none").hidden = fitting.length > 0;
}

function clearFilter() {
  $("filters").reset();
  applyFilter();
}

function openAll(open) {
  for (const finding of findings) finding.querySelector("details").open = open;
  $("toggle").textContent = open ? "Close all" : "Open all";
}

async function copy(button) {
  const text = button.previousElementSibling, label = button.textContent;
  getSelection().selectAllChildren(text);
  try {
    await navigator.clipboard.writeText(text.textContent);
  } catch {
    if (!document.execCommand("copy")) return; // the text is selected, and can be copied by hand
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 1500);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}

if ($("filters")) {
  $("filters").hidden = false;
  $("filters").addEventListener("input", applyFilter);
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("clear").addEventListener("click", clearFilter);
  $("toggle").addEventListener("click", () => openAll($("toggle").textContent === "Open all"));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select")) return;
    event.preventDefault();
    $("text").focus();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-filter]");
    if (!link) return;
    $("filters").reset();
    $("operation").value = link.dataset.filter;
    applyFilter();
  });
}

// Whatever is closed is printed too, and closed again.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const details of opened) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of opened) details.open = false;
});

// The address of a finding, or of a rule, shows it open.
function openTarget() {
  if (location.hash.startsWith("#finding-") && $("filters")) clearFilter(); // it may be filtered out
  const target = document.getElementById(location.hash.slice(1));
  const details = target?.matches("details") ? target : target?.querySelector(":scope > details");
  if (details) details.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();
