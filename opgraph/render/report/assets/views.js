// What the right side shows: overview, layers along the depth, table of all nodes.

function overview() {
  const all = content.panels.map(([key, names]) => [key, panel(key, names)]);
  const some = (wanted) => h('div', { class: 'pair' }, all.filter(([key]) => wanted(key)).map(([, element]) => element));
  const first = (key) => key === 'loss' || key === 'metrics';
  return [cards(), health(), some(first), parameterBars(), some((key) => !first(key)), about()];
}

function cards() {
  const { test, status } = run;
  const shown = [
    [t('card.steps'), whole(run.last - run.first + 1), status === 'finished' ? t('status.finished') : t(`status.${status}`)],
    test && test.accuracy !== null ? [t('card.accuracy'), figure(test.accuracy), t('card.examples', { count: whole(test.size) })] : null,
    test && test.loss !== null ? [t('card.test_loss'), figure(test.loss), t('card.held_out')] : null,
    [t('card.params'), `${content.totals.params[1] ? '≥ ' : ''}${whole(content.totals.params[0])}`,
      t('card.trainable', { count: whole(content.totals.trainable[0]) })],
    [t('card.flops'), `${content.totals.flops[1] ? '≥ ' : ''}${figure(content.totals.flops[0])}`, t('card.per_example')],
  ];
  return h('div', { class: 'cards' }, shown.filter(Boolean).map(([name, value, more]) => h('div', { class: 'card' },
    h('div', { class: 'muted', text: name }), h('div', { class: 'value', text: value }), h('div', { class: 'muted', text: more }))));
}

/** What is found by looking at the record: numbers that are none, updates that are out of bounds. */
function health() {
  const items = [run.error ? h('li', { class: 'wrong' }, h('bdi', { text: run.error })) : null, nonfinite(), updates(), zeros('output.zero_fraction', 'zeros'), zeros('output.dead_channels', 'silent')];
  return h('section', {}, h('h2', { text: t('health.title') }), h('ul', { class: 'health' }, items));
}

/** The first step at which something was NaN or infinite. */
function nonfinite() {
  const counted = quantities.filter((quantity) => quantity.name.endsWith('nonfinite'));
  let first = null;
  for (const quantity of counted) {
    for (const site of quantity.sites) {
      const line = site.row === undefined ? { x: site.value ? [grids[quantity.grid].ends[0]] : [], y: [site.value] } : lineOf(quantity, site);
      const at = line.y.findIndex((number) => number > 0);
      if (at >= 0 && line.x.length && (first === null || line.x[at] < first.step)) first = { step: line.x[at], quantity, site };
    }
  }
  if (!counted.length) return h('li', { text: t('health.not_counted') });
  if (first === null) return h('li', { class: 'good', text: t('health.finite') });
  return h('li', { class: 'wrong' }, h('button', { class: 'link', onclick: () => setState({ step: nearestTick(first.step), node: first.site.node, view: 'node' }),
    text: t('health.nonfinite', { step: whole(first.step), node: nodes[first.site.node].name, what: label(first.quantity) }) }));
}

function updates() {
  const quantity = byName.get('weight.update_ratio');
  if (!quantity) return null;
  const medians = quantity.sites.filter((site) => !/bias|beta/.test(site.part ?? '')).map((site) => {
    const all = lineOf(quantity, site).y.filter(Number.isFinite).sort((a, b) => a - b);
    return all[all.length >> 1];
  }).filter((number) => number !== undefined);
  const inside = medians.filter((number) => number > 1e-4 && number < 1e-2).length;
  return h('li', { text: medians.length ? t('health.updates', { inside, all: medians.length }) : t('health.no_updates') });
}

function zeros(name, key) {
  const quantity = byName.get(name);
  if (!quantity) return null;
  return h('li', {}, liveText(() => {
    const active = quantity.sites.filter((site) => nodes[site.node].category === 'activation').map((site) => [site, valueAt(quantity, site, state.step)]).filter(([, number]) => number !== null);
    if (!active.length) return t('health.no_activations');
    const [site, number] = active.reduce((a, b) => (b[1] > a[1] ? b : a));
    return t(`health.${key}`, { share: figure(100 * number), node: nodes[site.node].name, step: whole(state.step) });
  }));
}

function panel(key, names) {
  const lines = names.flatMap((name) => byName.get(name).sites.map((site) => ({ quantity: byName.get(name), site, name: label(byName.get(name)) })));
  const moving = different(lines.filter((line) => line.site.row !== undefined));
  if (key === 'more') return more(lines);
  const still = lines.filter((line) => line.site.row === undefined && line.site.value);
  const told = still.map((line) => `${line.name}: ${figure(line.site.value, line.quantity.unit)} (${t('page.constant')})`).join(' · ');
  if (!moving.length) return told ? h('section', {}, h('h3', { text: t(`panel.${key}`) }), h('p', { text: told })) : null;
  const notes = [t(`panel.${key}_note`), moving.some(({ quantity }) => grids[quantity.grid].width > 1) ? noteThin(moving[0].quantity) : '', told];
  return chartFigure({ title: t(`panel.${key}`), note: notes.filter(Boolean).join(' ') },
    (holder) => lineChart(holder, moving, { title: t(`panel.${key}`), height: 190 }));
}

/** Without lines that run along an earlier one all the way, such as the loss without regularisation. */
function different(lines) {
  const kept = [];
  for (const line of lines) {
    const mine = lineOf(line.quantity, line.site).y;
    const same = (other) => other.length === mine.length && other.every((number, i) => Object.is(number, mine[i]));
    if (!kept.some((one) => same(one.numbers))) kept.push({ ...line, numbers: mine });
  }
  return kept;
}

function noteThin(quantity) {
  const { ends, width } = grids[quantity.grid];
  return t('page.thinned', { points: whole(ends.length), width: whole(width) });
}

/** Quantities of a step that no chart is made for: their values at the marked step. */
function more(lines) {
  return h('section', {}, h('h3', { text: t('panel.more') }), h('table', {}, h('tbody', {}, lines.map((line) => h('tr', {},
    h('td', { text: line.name }), h('td', {}, liveText(() => figure(valueAt(line.quantity, line.site, state.step), line.quantity.unit))))))));
}

/** Where the parameters sit: the nodes that have most of them. */
function parameterBars() {
  const ranked = nodes.map((facts, number) => [number, facts.params ?? 0]).filter(([, count]) => count).sort((a, b) => b[1] - a[1]);
  if (!ranked.length) return null;
  const all = content.totals.params[0] || 1;
  const shown = ranked.slice(0, 10);
  return h('section', {}, h('h2', { text: t('overview.parameters') }), h('table', { class: 'bars' }, h('tbody', {},
    shown.map(([number, count]) => h('tr', {}, h('td', {}, links([number])),
      h('td', { class: 'wide' }, h('span', { class: 'meter', style: { width: `${(100 * count) / shown[0][1]}%`, background: `var(--bar-${nodes[number].category})` } })),
      h('td', { text: whole(count) }), h('td', { class: 'muted', text: `${((100 * count) / all).toPrecision(3)} %` }))))),
  ranked.length > shown.length ? h('p', { class: 'muted', text: t('overview.more', { count: ranked.length - shown.length }) }) : null);
}

function about() {
  const told = [['about.data', run.data], ['about.batch', run.batch_size], ['about.loss', run.loss], ['about.optimizer', run.optimizer],
    ['about.settings', run.settings.map(([name, value]) => `${name} ${value}`).join(', ')], ['about.seed', run.seed],
    ['about.created', run.created.replace('T', ' ')], ['about.took', run.seconds === null ? null : figure(run.seconds, 's')],
    ['about.versions', Object.entries(run.versions).map(([name, version]) => `${name} ${version}`).join(', ')]];
  return h('section', {}, h('h2', { text: t('about.title') }), h('dl', { class: 'facts' },
    told.map(([key, value]) => (value === null || value === '' || value === undefined ? null : [h('dt', { text: t(key) }), h('dd', {}, h('bdi', { text: String(value) }))]))));
}

// Along the depth: one heat map of any quantity, and small multiples.

const ASKED = [['output_grad.rms', 'output_grad.norm'], ['weight.grad_norm'], ['weight.update_ratio'], ['output.zero_fraction'], ['output.dead_channels'], ['output.rms', 'output.norm'], ['bn.batch_variance']];

function layers() {
  const quantity = byName.get(state.heat) ?? firstOf(...ASKED.flat()) ?? nodeQuantities()[0];
  if (!quantity) return [h('p', { class: 'muted', text: t('node.nothing') })];
  const buttons = ASKED.map((names) => firstOf(...names)).filter(Boolean).map((one) => h('button', {
    'aria-pressed': String(one === quantity), text: label(one), onclick: () => setState({ heat: one.name }),
  }));
  const select = h('select', { id: 'heat', onchange: (event) => setState({ heat: event.target.value }) }, options(quantity.name));
  const say = h('output', { class: 'muted', text: t('layers.hint') });
  const rows = quantity.sites.filter((site) => site.node >= 0).map((site) => ({
    name: siteName(site), site, colour: (step) => colourOf(quantity, valueAt(quantity, site, step), state.theme)[0],
  }));
  return [
    h('h2', { text: t('view.layers') }), h('p', { text: t('layers.intro') }),
    h('p', { class: 'controls' }, buttons, h('label', {}, t('layers.other'), ' ', select)),
    chartFigure({ title: label(quantity), note: noteOf(quantity, 'page.wanted_colour'), below: [scaleLegend(quantity), say] }, (holder) => heatMap(holder, rows, {
      height: Math.min(620, 60 + Math.max(15, 20 - rows.length / 8) * rows.length), title: label(quantity),
      pick: (row) => setState({ node: row.site.node }),
      say: (row, step) => { say.textContent = t('layers.says', { node: row.name, step: whole(step), value: figure(valueAt(quantity, row.site, step), quantity.unit) }); },
    })),
    multiples(),
  ];
}

/** A row for each node: gradient, update, zeros, batch against moving statistics. */
function multiples() {
  const columns = [firstOf('weight.grad_norm', 'output_grad.norm'), byName.get('weight.update_ratio'), byName.get('output.zero_fraction'), byName.get('bn.batch_mean')].filter(Boolean);
  if (!columns.length) return null;
  const rows = nodes.map((_, node) => node).filter((node) => columns.some((quantity) => sitesAt(quantity, node).some((site) => site.row !== undefined)));
  return h('section', {}, h('h2', { text: t('layers.each') }), h('p', { class: 'muted', text: t('layers.each_note') }), h('div', { class: 'scroll' },
    h('table', { class: 'multiples' }, h('thead', {}, h('tr', {}, h('th', { text: t('table.node') }), columns.map((quantity) => h('th', {
      text: quantity.name === 'bn.batch_mean' ? t('layers.bn') : label(quantity) })))),
    h('tbody', {}, rows.slice(0, 400).map((node) => h('tr', {}, h('td', {}, links([node])), columns.map((quantity) => smallCell(quantity, node))))))),
  rows.length > 400 ? h('p', { class: 'muted', text: t('layers.cut', { count: rows.length - 400 }) }) : null);
}

function smallCell(quantity, node) {
  const [site] = sitesAt(quantity, node);
  if (!site) return h('td');
  const text = () => figure(valueAt(quantity, site, state.step), quantity.unit);
  if (site.row === undefined) return h('td', { class: 'muted' }, liveText(text));
  const lines = [lineOf(quantity, site)];
  const moving = quantity.name === 'bn.batch_mean' ? byName.get('bn.moving_mean') : null;
  const beside = moving ? sitesAt(moving, node)[0] : null;
  if (beside && beside.row !== undefined) lines.push(lineOf(moving, beside));
  return h('td', {}, h('div', { class: 'small' }, liveSpark(lines, quantity.scale), liveText(text)));
}

// The table of all nodes.

const sorting = { column: null, down: false };

function table() {
  const measured = [...new Set([byName.get(state.colour), firstOf('output.rms', 'output.norm'), firstOf('weight.grad_norm'), byName.get('weight.update_ratio'), byName.get('output.zero_fraction')])].filter(Boolean);
  const columns = [
    { key: 'node', name: t('table.node'), value: (n) => nodes[n].name, cell: (n) => links([n]) },
    { key: 'op', name: t('table.op'), value: (n) => nodes[n].op },
    { key: 'shape', name: t('table.shape'), value: (n) => nodes[n].shapes.join(', ') },
    { key: 'params', name: t('table.params'), value: (n) => nodes[n].params, cell: (n) => (nodes[n].params ? whole(nodes[n].params) : nodes[n].params === 0 ? '' : '?') },
    { key: 'flops', name: 'FLOP', value: (n) => nodes[n].flops, cell: (n) => (nodes[n].flops ? figure(nodes[n].flops) : '') },
    { key: 'memory', name: t('table.memory'), value: (n) => nodes[n].memory, cell: (n) => (nodes[n].memory ? figure(nodes[n].memory, 'B') : '') },
    ...measured.map((quantity) => ({ key: quantity.name, name: label(quantity), value: (n) => joined(quantity, [n], state.step),
      cell: (n) => liveText(() => { const found = joined(quantity, [n], state.step); return found === null ? '' : figure(found, quantity.unit); }) })),
  ];
  const body = h('tbody');
  const filter = h('input', { type: 'search', id: 'filter', placeholder: t('table.filter'), 'aria-label': t('table.filter'), oninput: () => fillTable(body, columns, filter.value) });
  const heads = columns.map((column) => h('th', { 'aria-sort': ariaSort(column) }, h('button', { class: 'link', text: column.name, onclick: (event) => {
    sorting.down = sorting.column === column.key ? !sorting.down : typeof column.value(0) !== 'string';
    sorting.column = column.key;
    for (const head of event.target.closest('tr').children) head.removeAttribute('aria-sort');
    event.target.parentElement.setAttribute('aria-sort', ariaSort(column));
    fillTable(body, columns, filter.value);
  } })));
  fillTable(body, columns, '');
  const save = h('button', { id: 'csv', text: t('table.csv'), onclick: () => download(`${run.name}-step-${state.step}.csv`, csv(columns, filter.value), 'text/csv') });
  return [h('h2', { text: t('view.table') }), h('p', { class: 'controls' }, filter, ' ', save, ' ', h('span', { class: 'muted' }, t('table.at'), ' ', liveText(() => whole(state.step)))),
    h('div', { class: 'scroll' }, h('table', { class: 'nodes' }, h('thead', {}, h('tr', {}, heads)), body))];
}

function ariaSort(column) {
  return sorting.column === column.key ? (sorting.down ? 'descending' : 'ascending') : null;
}

/** Numbers of nodes that a filter lets through, in the chosen order; what has no value comes last. */
function chosenRows(columns, filter) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const found = nodes.map((_, number) => number).filter((number) => {
    const text = `${nodes[number].name} ${nodes[number].op} ${nodes[number].label} ${nodes[number].category}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const column = columns.find((one) => one.key === sorting.column);
  if (!column) return found;
  const empty = (value) => value === null || value === undefined || Number.isNaN(value);
  return found.sort((a, b) => {
    const [one, two] = [column.value(a), column.value(b)];
    if (empty(one) || empty(two)) return empty(one) - empty(two);
    const order = typeof one === 'string' ? one.localeCompare(two, undefined, { numeric: true }) : one - two;
    return sorting.down ? -order : order;
  });
}

function fillTable(body, columns, filter) {
  fill(body, chosenRows(columns, filter).map((number) => h('tr', { class: number === state.node ? 'chosen' : null },
    columns.map((column) => h('td', {}, column.cell ? column.cell(number) : h('bdi', { text: column.value(number) }))))));
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
  const rows = chosenRows(columns, filter).map((number) => columns.map((column) => column.value(number)));
  return `${[heads, ...rows].map((row) => row.map(cell).join(',')).join('\n')}\n`;
}
