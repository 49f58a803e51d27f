// What scripts add to a page as the server sent it; done alike to a page that is shown and to its
// next version, so that the two differ only in what is new.

import { showAges } from "./ages.js";
import { makeSortable } from "./sorting.js";

export function enhance(page) {
  makeSortable(page);
  showAges(page);
}
