// Makes an element like another one by the fewest changes, so that what did not change keeps its
// focus, its selection and its place in a scrolled region.

// Makes `old` like `fresh`.  Children with a `data-key` or an `id` are known again by it wherever
// they are, others by their order.  What is inside of an element with `data-own` belongs to a
// script and is left alone.
export function morph(old, fresh) {
  const focused = document.activeElement;
  change(old, fresh);
  if (focused !== document.activeElement && focused.isConnected) {
    focused.focus({ preventScroll: true });
  }
}

function change(old, fresh) {
  if (old.isEqualNode(fresh) || old.dataset.own !== undefined) return;
  copyAttributes(old, fresh);
  const kept = new Set([...fresh.children].map(keyOf));
  const known = new Map();
  for (const child of [...old.children]) {
    const key = keyOf(child);
    if (key === null) continue;
    if (kept.has(key)) known.set(key, child);
    else child.remove();
  }
  let place = old.firstChild;
  for (const child of fresh.childNodes) {
    const key = keyOf(child);
    const match = key === null ? (isLike(place, child) ? place : null) : known.get(key);
    if (!match) {
      old.insertBefore(document.importNode(child, true), place);
      continue;
    }
    if (match === place) place = place.nextSibling;
    else old.insertBefore(match, place);
    if (match.nodeType === Node.ELEMENT_NODE) change(match, child);
    else if (match.data !== child.data) match.data = child.data;
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function keyOf(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return null;
  return node.dataset.key ?? (node.id || null);
}

function isLike(old, fresh) {
  return old !== null && old.nodeName === fresh.nodeName && keyOf(old) === null;
}

function copyAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    // Whether the reader has opened a <details> is the reader's.
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}
