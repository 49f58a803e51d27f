// Times as "12 s ago", by this machine's clock; the exact time is the title.

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export function showAges(page) {
  for (const element of page.querySelectorAll("time")) {
    element.title ||= element.textContent;
    const age = ageOf(element.dateTime);
    if (element.textContent !== age) element.textContent = age;
  }
}

function ageOf(moment) {
  const seconds = Math.max(0, (Date.now() - Date.parse(moment)) / 1000);
  if (seconds < MINUTE) return `${Math.floor(seconds)} s ago`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min ago`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h ago`;
  return new Date(moment).toLocaleDateString(undefined, { dateStyle: "medium" });
}

setInterval(() => document.hidden || showAges(document), 5000);
