// Updates the page while something is running, without a reload.
//
// The server always sends whole pages.  As long as <html> has `data-seconds`, this script asks
// for the page's own address again after that many seconds, while somebody can see it, and makes
// each element with an `id` and `data-live` like its new version.  Other scripts listen to the
// document's events `poll` (now is the time to ask for data as well) and `renew` (the page has
// changed).

import "./console.js";
import { show } from "./connection.js";
import { morph } from "./morph.js";
import { enhance } from "./enhance.js";
import { NoAnswer, Source } from "./source.js";

const LONGEST_WAIT = 10; // seconds
const page = new Source(location.href);
let failures = 0;
let timer;

function renew(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  enhance(fresh);
  for (const region of document.querySelectorAll("[data-live][id]")) {
    const next = fresh.getElementById(region.id);
    if (next) morph(region, next);
  }
  if (document.title !== fresh.title) document.title = fresh.title;
  const { seconds } = fresh.documentElement.dataset;
  if (seconds) document.documentElement.dataset.seconds = seconds;
  else delete document.documentElement.dataset.seconds;
  document.dispatchEvent(new Event("renew"));
}

async function poll() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    const html = await page.news();
    failures = 0;
    show("");
    if (html !== null) renew(html);
    document.dispatchEvent(new Event("poll"));
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    failures += 1;
    show(error.message);
  }
  wait();
}

function wait() {
  clearTimeout(timer);
  const seconds = Number(document.documentElement.dataset.seconds);
  if (!seconds && !failures) return;
  timer = setTimeout(poll, 1000 * Math.min(LONGEST_WAIT, (seconds || 4) * 2 ** failures));
}

document.addEventListener("visibilitychange", poll);
addEventListener("online", poll);
enhance(document);
wait();
