// A console that follows its end, unless the reader has scrolled up.

let follows = true;

function scrollToEnd() {
  const region = document.getElementById("console");
  if (region && follows) region.scrollTop = region.scrollHeight;
}

// The event does not bubble, but can be caught on its way down.
document.addEventListener(
  "scroll",
  ({ target }) => {
    if (target.id !== "console") return;
    follows = target.scrollTop + target.clientHeight > target.scrollHeight - 8;
  },
  { capture: true, passive: true },
);
document.addEventListener("renew", scrollToEnd);
scrollToEnd();
