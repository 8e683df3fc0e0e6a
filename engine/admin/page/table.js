// A table whose rows stay: a poll writes what changed, so that a focused button and an open text stay as they are.
import { cell, make, row, write } from "./dom.js";

// text makes a column of texts: by is what it is sorted by, as it is told to people by format.
export const text = (label, by, format = String, wide = false) => ({ label, by, wide, fill: (td, item) => write(td, format(by(item))) });

const names = new Intl.Collator("en", { numeric: true }); // push-2 comes before push-10

export class Table {
  #columns;
  #id;
  #body = make("tbody", { role: "rowgroup" });
  #rows = new Map(); // by id: {element, cells}
  #heads;
  #sorted; // index of a column
  #down = false;
  #items = [];

  // table is an empty one; id names an item, and columns have label, by(item) and fill(td, item). The first column sorts.
  constructor(table, id, columns) {
    this.#id = id;
    this.#columns = columns;
    this.#sorted = 0;
    this.#heads = columns.map((c, i) =>
      make("th", { scope: "col", class: c.by && !c.wide ? "number" : undefined, title: c.title }, c.by ? make("button", { type: "button", class: "sort", onclick: () => this.#sort(i) }, c.label) : make("span", { class: "unseen" }, c.label)));
    table.append(make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...this.#heads)), this.#body);
    this.#mark();
  }

  // update shows these items.
  update(items) {
    this.#items = items;
    const left = new Set(this.#rows.keys());
    for (const item of items) {
      const id = this.#id(item);
      left.delete(id);
      let shown = this.#rows.get(id);
      if (!shown) {
        const cells = this.#columns.map((c) => cell(c.label));
        cells.forEach((td, i) => this.#columns[i].wide || td.classList.add("number"));
        shown = { element: row(...cells), cells };
        this.#rows.set(id, shown);
      }
      this.#columns.forEach((c, i) => c.fill(shown.cells[i], item));
    }
    for (const id of left) {
      this.#rows.get(id).element.remove();
      this.#rows.delete(id);
    }
    this.#order();
  }

  #sort(column) {
    this.#down = this.#sorted === column ? !this.#down : !this.#columns[column].wide; // the largest number first
    this.#sorted = column;
    this.#mark();
    this.#order();
  }

  #mark() {
    this.#heads.forEach((th, i) => (i === this.#sorted ? th.setAttribute("aria-sort", this.#down ? "descending" : "ascending") : th.removeAttribute("aria-sort")));
  }

  // order moves only the rows that stand elsewhere.
  #order() {
    const by = this.#columns[this.#sorted].by;
    const sign = this.#down ? -1 : 1;
    const compare = (a, b) => (typeof a === "string" ? names.compare(a, b) : a === b ? 0 : a < b || (a !== a && b === b) ? -1 : 1);
    const sorted = [...this.#items].sort((a, b) => sign * compare(by(a), by(b)) || compare(this.#id(a), this.#id(b)));
    let at = this.#body.firstElementChild;
    for (const item of sorted) {
      const { element } = this.#rows.get(this.#id(item));
      if (element === at) at = at.nextElementSibling;
      else this.#body.insertBefore(element, at);
    }
  }
}
