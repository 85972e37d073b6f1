// Open the folded section that a link leads to, and those around it.
function unfold() {
  const id = decodeURIComponent(location.hash.slice(1));
  const target = id && document.getElementById(id);
  if (!target) return;
  const inside = target.querySelector(":scope > details.fold");
  for (let fold = inside || target.closest("details.fold"); fold; fold = fold.parentElement.closest("details.fold")) {
    fold.open = true;
  }
  target.scrollIntoView();
}
addEventListener("hashchange", unfold);
addEventListener("DOMContentLoaded", unfold);
