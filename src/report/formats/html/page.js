(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const table = $("#table"), body = $("tbody", table), rows = [...body.rows];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const find = $("#find"), chips = all(".chip"), shown = $("#shown"), none = $("#none");

  // What a column is sorted by: a number where it has one; what is not known stands at the end.
  const key = (row, column) => {
    const cell = row.cells[column], number = cell.dataset.v;
    if (number !== undefined) return Math.abs(Number(number));
    const text = cell.textContent.trim();
    return text === "–" ? null : text;
  };
  const words = new Intl.Collator(undefined, { numeric: true });
  const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : words.compare(a, b);
  const sort = (column, down) => {
    const keys = new Map(rows.map((row) => [row, key(row, column)]));
    const known = rows.filter((row) => keys.get(row) !== null);
    known.sort((a, b) => (down ? -1 : 1) * compare(keys.get(a), keys.get(b)));
    body.append(...known, ...rows.filter((row) => keys.get(row) === null));
  };
  all("thead th", table).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      // Of numbers the greatest is what one looks for.
      const first = head.classList.contains("number") ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      all("th[aria-sort]", table.tHead).forEach((each) => each.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", order);
      sort(column, order === "descending");
    });
  });

  const filter = () => {
    const parts = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const pressed = chips.filter((chip) => chip.getAttribute("aria-pressed") === "true");
    const wanted = pressed.map((chip) => chip.dataset.word).filter(Boolean);
    const roles = pressed.map((chip) => chip.dataset.role).filter(Boolean);
    let left = 0;
    rows.forEach((row, index) => {
      const fits = parts.every((part) => texts[index].includes(part)) &&
        (wanted.length === 0 || wanted.includes(row.dataset.word)) &&
        (roles.length === 0 || roles.includes(row.dataset.role));
      row.hidden = !fits;
      left += fits;
    });
    shown.textContent = shown.dataset.words.replace("LEFT", left).replace("ALL", rows.length);
    none.hidden = left > 0;
  };
  find.addEventListener("input", filter);
  $("#filter").addEventListener("submit", (event) => event.preventDefault());
  chips.forEach((chip) => chip.addEventListener("click", () => {
    chip.setAttribute("aria-pressed", chip.getAttribute("aria-pressed") !== "true");
    filter();
  }));
  $("#all").addEventListener("click", () => {
    find.value = "";
    chips.forEach((chip) => chip.setAttribute("aria-pressed", "false"));
    filter();
    find.focus();
  });
  $("#filter").hidden = false;

  const fold = (button, section) => {
    const parts = all(`#${section} > details`);
    const [more, less] = [button.textContent, button.dataset.foldAll];
    button.hidden = false;
    button.addEventListener("click", () => {
      const open = button.textContent === more;
      parts.forEach((part) => { part.open = open; });
      button.textContent = open ? less : more;
    });
  };
  all("[data-fold]").forEach((button) => fold(button, button.dataset.fold));

  // A link to something folded unfolds it.
  const unfold = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") {
      target.open = true;
      target.scrollIntoView();
      $("summary", target).focus({ preventScroll: true });
    }
  };
  addEventListener("hashchange", unfold);
  unfold();

  // Paper shows everything.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open])");
    closed.forEach((part) => { part.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((part) => { part.open = false; }));
})();
