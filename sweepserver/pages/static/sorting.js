// Tables whose columns can be sorted: heads become buttons, and the order outlives renewals.

const orders = new Map(); // by the table's id: the column's name and whether it goes down

export function makeSortable(page) {
  for (const table of page.querySelectorAll("table.sortable")) {
    for (const head of table.tHead.rows[0].cells) addButton(head);
    const order = orders.get(table.id);
    if (order) sort(table, order);
  }
}

function addButton(head) {
  if (head.firstElementChild) return;
  const button = head.ownerDocument.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
}

document.addEventListener("click", (event) => {
  const head = event.target.closest?.("table.sortable thead th");
  if (!head || !event.target.closest("button")) return;
  const table = head.closest("table");
  const order = {
    column: nameOf(head),
    descending: head.getAttribute("aria-sort") === "ascending",
  };
  orders.set(table.id, order);
  sort(table, order);
});

// A column is known by its title, unless that may change.
function nameOf(head) {
  return head.dataset.column ?? head.textContent;
}

function sort(table, { column, descending }) {
  const heads = [...table.tHead.rows[0].cells];
  const place = heads.findIndex((head) => nameOf(head) === column);
  if (place < 0) return;
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[place].setAttribute("aria-sort", descending ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, value: valueOf(row.cells[place]) }));
  const missing = rows.filter(({ value }) => value === null);
  const sorted = rows
    .filter(({ value }) => value !== null)
    .sort((a, b) => (descending ? compare(b.value, a.value) : compare(a.value, b.value)));
  body.append(...[...sorted, ...missing].map(({ row }) => row));
}

function valueOf(cell) {
  const text = cell.dataset.sort;
  if (text === undefined) return null;
  const number = text.trim() === "" ? NaN : Number(text.replace(/^(-?)inf$/, "$1Infinity"));
  return Number.isNaN(number) ? text : number;
}

// Numbers come before texts.
function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return a.localeCompare(b, undefined, { numeric: true });
}
