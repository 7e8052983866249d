// The table of all nodes: sorted, filtered, saved.

const sorting = { column: null, down: false };

function table() {
  const measured = [
    ...new Set([
      byName.get(state.colour),
      firstOf('output.rms', 'output.norm'),
      firstOf('weight.grad_norm'),
      byName.get('weight.update_ratio'),
      byName.get('output.zero_fraction'),
    ]),
  ].filter(Boolean);
  const columns = [
    { key: 'node', name: t('table.node'), value: (n) => nodes[n].name, cell: (n) => links([n]) },
    { key: 'op', name: t('table.op'), value: (n) => nodes[n].op },
    { key: 'shape', name: t('table.shape'), value: (n) => nodes[n].shapes.join(', ') },
    {
      key: 'params',
      name: t('table.params'),
      value: (n) => nodes[n].params,
      cell: (n) => (nodes[n].params ? whole(nodes[n].params) : nodes[n].params === 0 ? '' : '?'),
    },
    {
      key: 'flops',
      name: 'FLOP',
      value: (n) => nodes[n].flops,
      cell: (n) => (nodes[n].flops ? figure(nodes[n].flops) : ''),
    },
    {
      key: 'memory',
      name: t('table.memory'),
      value: (n) => nodes[n].memory,
      cell: (n) => (nodes[n].memory ? figure(nodes[n].memory, 'B') : ''),
    },
    ...measured.map((quantity) => ({
      key: quantity.name,
      name: label(quantity),
      value: (n) => joined(quantity, [n], state.step),
      cell: (n) =>
        liveText(() => {
          const found = joined(quantity, [n], state.step);
          return found === null ? '' : figure(found, quantity.unit);
        }),
    })),
  ];
  const body = h('tbody');
  const filter = h('input', {
    type: 'search',
    id: 'filter',
    placeholder: t('table.filter'),
    'aria-label': t('table.filter'),
    oninput: () => fillTable(body, columns, filter.value),
  });
  const heads = columns.map((column) =>
    h(
      'th',
      { 'aria-sort': ariaSort(column) },
      h('button', {
        class: 'link',
        text: column.name,
        onclick: (event) => {
          sorting.down =
            sorting.column === column.key ? !sorting.down : typeof column.value(0) !== 'string';
          sorting.column = column.key;
          for (const head of event.target.closest('tr').children) head.removeAttribute('aria-sort');
          event.target.parentElement.setAttribute('aria-sort', ariaSort(column));
          fillTable(body, columns, filter.value);
        },
      }),
    ),
  );
  fillTable(body, columns, '');
  const save = h('button', {
    id: 'csv',
    text: t('table.csv'),
    onclick: () =>
      download(`${run.name}-step-${state.step}.csv`, csv(columns, filter.value), 'text/csv'),
  });
  return [
    h('h2', { text: t('view.table') }),
    h(
      'p',
      { class: 'controls' },
      filter,
      ' ',
      save,
      ' ',
      h(
        'span',
        { class: 'muted' },
        liveText(() => t('table.at', { step: whole(state.step) })),
      ),
    ),
    h(
      'div',
      { class: 'scroll' },
      h('table', { class: 'nodes' }, h('thead', {}, h('tr', {}, heads)), body),
    ),
  ];
}

function ariaSort(column) {
  return sorting.column === column.key ? (sorting.down ? 'descending' : 'ascending') : null;
}

/** Numbers of nodes that a filter lets through, in the chosen order; what has no value comes last. */
function chosenRows(columns, filter) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const found = nodes
    .map((_, number) => number)
    .filter((number) => {
      const text =
        `${nodes[number].name} ${nodes[number].op} ${nodes[number].label} ${nodes[number].category}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
  const column = columns.find((one) => one.key === sorting.column);
  if (!column) return found;
  const empty = (value) => value === null || value === undefined || Number.isNaN(value);
  return found.sort((a, b) => {
    const [one, two] = [column.value(a), column.value(b)];
    if (empty(one) || empty(two)) return empty(one) - empty(two);
    const order =
      typeof one === 'string' ? one.localeCompare(two, undefined, { numeric: true }) : one - two;
    return sorting.down ? -order : order;
  });
}

function fillTable(body, columns, filter) {
  fill(
    body,
    chosenRows(columns, filter).map((number) =>
      h(
        'tr',
        { class: number === state.node ? 'chosen' : null },
        columns.map((column) =>
          h('td', {}, column.cell ? column.cell(number) : h('bdi', { text: column.value(number) })),
        ),
      ),
    ),
  );
}

/** The table as CSV: all digits, and no text that a spreadsheet would take for a formula. */
function csv(columns, filter) {
  const cell = (value) => {
    if (value === null || value === undefined) return '';
    if (typeof value === 'number') return String(value);
    const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const heads = columns.map((column) => (byName.has(column.key) ? column.key : column.key));
  const rows = chosenRows(columns, filter).map((number) =>
    columns.map((column) => column.value(number)),
  );
  return `${[heads, ...rows].map((row) => row.map(cell).join(',')).join('\n')}\n`;
}
