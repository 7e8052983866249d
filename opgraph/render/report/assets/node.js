// One node, or two side by side: what it is, its numbers at the marked step, its curves.

const KINDS = ['output', 'output_grad', 'weight', 'slot', 'bn', 'dropout'];
// What is drawn large without being asked for, the first that there is.
const FIRST = ['weight.grad_norm', 'output_grad.norm', 'output.rms', 'output.norm'];

function nodeView() {
  if (state.node === null) return [h('h2', { text: t('view.node') }), h('p', { class: 'muted', text: t('node.choose') })];
  const chosen = [state.node, state.other].filter((node) => node !== null);
  return [
    h('div', { class: 'heads' }, chosen.map((node) => nodeHead(node))),
    compareBar(),
    bigChart(chosen),
    chosen.map((node) => h('section', {}, chosen.length > 1 ? h('h2', {}, h('bdi', { text: nodes[node].name })) : null,
      batchNormalisation(node), histograms(node), quantityTables(node))),
    workedStep(),
  ];
}

function nodeHead(node) {
  const facts = nodes[node];
  return h('section', { class: 'head' },
    h('h2', { class: 'nodename' }, h('span', { class: 'bar', style: { background: `var(--bar-${facts.category})` } }),
      h('bdi', { text: facts.name }), h('span', { class: 'op', text: facts.op })),
    facts.label ? h('p', { class: 'muted' }, h('bdi', { text: facts.label })) : null,
    h('dl', { class: 'facts' },
      fact('node.shape', facts.shapes.join(', ')),
      fact('node.inputs', links(facts.inputs)),
      fact('node.readers', links(facts.readers)),
      fact('node.params', parameters(facts)),
      fact('node.attributes', attributes(facts)),
      fact('node.flops', facts.flops ? figure(facts.flops, 'FLOP') : null),
      fact('node.memory', facts.memory ? figure(facts.memory, 'B') : null),
      fact('node.sees', facts.sees)));
}

function fact(key, value) {
  if (value === null || value === undefined || value === '' || value.length === 0) return null;
  return [h('dt', { text: t(key) }), h('dd', {}, value)];
}

function links(numbers) {
  return [...new Set(numbers)].slice(0, 12).map((number) => h('button', {
    class: 'link', onclick: () => setState({ node: number, view: 'node' }),
  }, h('bdi', { text: nodes[number].name })));
}

function parameters(facts) {
  if (facts.params === null) return '?';
  if (!facts.params && !facts.weights.length) return null;
  const parts = facts.weights.map(([name, shape, size, trainable]) => h('div', { class: 'muted' },
    h('bdi', { text: name }), ` ${shape}`, shape.includes('×') ? ` = ${whole(size)}` : '', trainable ? '' : ` (${t('node.fixed')})`));
  const shared = facts.shares ? h('div', {}, t('node.shares'), ' ', h('bdi', { text: facts.shares })) : null;
  return [whole(facts.params), shared, parts];
}

/** Where a value comes from is told by the type: given upright, inferred italic, default italic and faint. */
function attributes(facts) {
  return facts.attributes.map(([text, source, reason]) => h('span', {
    class: `attribute ${source}`, text, title: reason ? `${t(`source.${source}`)}: ${reason}` : t(`source.${source}`),
  }));
}

function compareBar() {
  const select = h('select', { id: 'compare', onchange: (event) => setState({ other: event.target.value === '' ? null : Number(event.target.value) }) },
    h('option', { value: '', text: t('node.alone') }),
    nodes.map((facts, number) => (number === state.node ? null
      : h('option', { value: number, selected: number === state.other, text: short(facts.name, 40) }))));
  const swap = state.other === null ? null : h('button', { text: t('node.swap'), onclick: () => setState({ node: state.other, other: state.node }) });
  return h('p', { class: 'controls' }, h('label', {}, t('node.compare'), ' ', select), ' ', swap);
}

/** The quantity drawn large: the chosen one where the node has it. */
function focusQuantity(node) {
  const has_ = (quantity) => quantity && sitesAt(quantity, node).length;
  const names = [state.quantity, ...FIRST].map((name) => byName.get(name));
  return names.find(has_) ?? nodeQuantities().find(has_);
}

function bigChart(chosen) {
  const quantity = focusQuantity(state.node);
  if (!quantity) return h('p', { class: 'muted', text: t('node.nothing') });
  const lines = chosen.flatMap((node) => sitesAt(quantity, node).map((site) => ({ quantity, site, name: siteName(site) })));
  const select = h('select', { id: 'quantity', onchange: (event) => setState({ quantity: event.target.value }) },
    options(quantity.name, (one) => chosen.some((node) => sitesAt(one, node).length)));
  return chartFigure({ title: label(quantity), heading: h('label', {}, h('span', { class: 'hidden', text: t('node.quantity') }), select), note: noteOf(quantity), height: 230 },
    (holder) => lineChart(holder, lines, { height: 230, title: label(quantity), guide: quantity.wanted }));
}

function siteName(site) {
  return site.part ? `${nodes[site.node].name} ${site.part}` : nodes[site.node].name;
}

/** Options of a choice between quantities, by kind. */
function options(chosen, wanted = () => true) {
  return KINDS.map((kind) => {
    const some = nodeQuantities().filter((quantity) => quantity.kind === kind && wanted(quantity));
    return some.length ? h('optgroup', { label: t(`kind.${kind}`) }, some.map((quantity) => h('option', {
      value: quantity.name, selected: quantity.name === chosen, text: label(quantity),
    }))) : null;
  });
}

/** What has to be known to read a quantity: which steps have it, and what was left out. */
function noteOf(quantity, wanted = 'page.wanted') {
  const { ends, width } = grids[quantity.grid];
  const notes = [];
  if (state.lang === 'en') notes.push(sentence(quantity.doc));
  if (width > 1) notes.push(t('page.thinned', { points: whole(ends.length), width: whole(width) }));
  else if (ends.length < run.last - run.first + 1) notes.push(t('page.scheduled', { count: whole(ends.length) }));
  if (quantity.wanted) notes.push(t(wanted, { value: figure(quantity.wanted) }));
  return notes.join(state.lang === 'en' ? ' ' : '');
}

function sentence(text) {
  const name = /^\w*_/.test(text); // of a column, as it is written
  return `${name ? text.charAt(0) : text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** A figure whose chart is made when it comes into view. */
function chartFigure({ title, heading = null, note = '', below = null, height = 190 }, make) {
  const holder = h('div', { class: 'chart', style: { minHeight: `${height + 6}px` } });
  const figure_ = h('figure', {}, h('div', { class: 'charthead' }, heading ?? h('h3', { text: title })), holder,
    note ? h('figcaption', { text: note }) : null, below);
  whenSeen(holder, () => {
    const names = make(holder);
    if (names) holder.after(names);
  });
  return figure_;
}

/** Statistics of the batch beside the moving ones that prediction uses. */
function batchNormalisation(node) {
  return ['mean', 'variance'].map((moment) => {
    const pair = [`bn.batch_${moment}`, `bn.moving_${moment}`].map((name) => byName.get(name));
    if (!pair.every((quantity) => quantity && sitesAt(quantity, node).length)) return null;
    const lines = pair.map((quantity) => ({ quantity, site: sitesAt(quantity, node)[0], name: label(quantity) }));
    return chartFigure({ title: t(`node.bn_${moment}`), note: t('node.bn_note') },
      (holder) => lineChart(holder, lines, { height: 170, title: t(`node.bn_${moment}`), log: false }));
  });
}

/** Histograms over the steps: a row for each bin, what holds more elements stands out. */
function histograms(node) {
  const found = content.histograms.all.filter((one) => one.node === node);
  if (!found.length) return null;
  const names = found.map((one) => `${one.name}${one.part ?? ''}`);
  const chosen = Math.max(0, names.indexOf(state.histogram));
  const select = h('select', { class: 'histogram', onchange: (event) => setState({ histogram: names[event.target.value] }) },
    found.map((one, number) => h('option', { value: number, selected: number === chosen, text: histogramName(one) })));
  const one = found[chosen];
  const say = h('output', { class: 'muted', text: t('node.histogram_hint') });
  return chartFigure({ title: t('node.histogram'), below: say,
    heading: [h('h3', { text: t('node.histogram') }), h('label', {}, h('span', { class: 'hidden', text: t('node.histogram') }), select)],
    note: t('node.histogram_note', { count: one.steps.length, elements: whole(one.elements) }) },
  (holder) => histogramMap(holder, one, say));
}

function histogramName(one) {
  const [kind, name] = one.name.split('.');
  const part = /^(value|grad|update)_/.exec(name);
  const what = part ? t(`part.${part[1]}`) : t(`kind.${kind}`);
  return one.part ? `${one.part} · ${what}` : what;
}

function histogramMap(holder, one, say) {
  one.numbers ??= new Uint16Array(bytesOf(one.shares));
  const ramp = content.colours[state.theme].m;
  const none = content.colours[state.theme].surface;
  const largest = one.numbers.reduce((a, b) => Math.max(a, b), 1);
  const shareAt = (bin, step) => {
    const row = place(one.steps, step);
    return row < 0 ? null : one.numbers[row * one.bins + bin];
  };
  // What no step has a thousandth of tells nothing and takes most of the room.
  const telling = (bin) => one.steps.some((_, row) => one.numbers[row * one.bins + bin] > 65);
  const bins = Array.from({ length: one.bins }, (_, number) => one.bins - 1 - number).filter(telling);
  const rows = bins.map((bin) => ({
    name: powers(content.histograms.labels[one.first + bin]),
    bin,
    colour: (step) => {
      const share = shareAt(bin, step);
      return share ? ramp[Math.round(32 * Math.sqrt(share / largest))][0] : none;
    },
  }));
  const height = Math.min(420, Math.max(140, 70 + 9 * rows.length));
  return heatMap(holder, rows, { height, title: t('node.histogram'), say: (row, step) => {
    const share = shareAt(row.bin, step);
    say.textContent = share === null ? '' : t('node.histogram_says', {
      bin: row.name, step: whole(one.steps[place(one.steps, step)]), share: figure((100 * share) / 65535),
    });
  } });
}

/** `-2^-17` as one writes it. */
function powers(text) {
  const raised = { '-': '⁻', 0: '⁰', 1: '¹', 2: '²', 3: '³', 4: '⁴', 5: '⁵', 6: '⁶', 7: '⁷', 8: '⁸', 9: '⁹' };
  return text.replace(/\^(-?\d+)/, (_, power) => Array.from(power, (sign) => raised[sign]).join('')).replace('-', '−');
}

/** All numbers of a node at the marked step; a click draws one large. */
function quantityTables(node) {
  return KINDS.map((kind) => {
    const some = nodeQuantities().filter((quantity) => quantity.kind === kind && sitesAt(quantity, node).length);
    if (!some.length) return null;
    return h('section', {}, h('h3', { text: t(`kind.${kind}`) }), h('div', { class: 'scroll' }, h('table', { class: 'quantities' },
      h('thead', {}, h('tr', {}, h('th', { text: t('page.quantity') }), h('th', { text: t('page.trend') }),
        h('th', {}, t('page.at_step'), ' ', liveText(() => whole(state.step))), h('th', { text: t('page.least') }), h('th', { text: t('page.largest') }))),
      h('tbody', {}, some.flatMap((quantity) => sitesAt(quantity, node).map((site) => quantityRow(quantity, site)))))));
  });
}

function quantityRow(quantity, site) {
  const name = [site.part, label(quantity, false)].filter(Boolean).join(' · ');
  const cells = [h('td', {}, h('button', { class: 'link', title: state.lang === 'en' ? sentence(quantity.doc) : quantity.name,
    onclick: () => setState({ quantity: quantity.name }) }, h('bdi', { text: name })))];
  if (site.row === undefined) {
    return h('tr', { class: 'flat' }, cells, h('td', { class: 'muted', text: t('page.constant') }),
      h('td', {}, liveText(() => figure(valueAt(quantity, site, state.step), quantity.unit), t('page.unmeasured'))), h('td'), h('td'));
  }
  const line = lineOf(quantity, site);
  const ends = [...line.y, ...line.low, ...line.high].filter(Number.isFinite);
  const extreme = (pick) => (ends.length ? figure(ends.reduce((a, b) => pick(a, b)), quantity.unit) : '');
  return h('tr', {}, cells, h('td', {}, liveSpark([line], quantity.scale)),
    h('td', { class: 'now' }, liveText(() => figure(valueAt(quantity, site, state.step), quantity.unit))),
    h('td', { text: extreme((a, b) => Math.min(a, b)) }), h('td', { text: extreme((a, b) => Math.max(a, b)) }));
}

/** The command that works out this step by hand. */
function workedStep() {
  return h('section', {}, h('h3', { text: t('node.worked') }), h('p', { text: t('node.worked_note') }),
    h('pre', { class: 'command' }, liveText(() => `opgraph explain ${quoted(run.path)} --step ${state.step} --node ${quoted(nodes[state.node].name)} --lang ${state.lang} -o story.html`)),
    content.story ? h('p', {}, h('a', { href: content.story, text: t('node.story') })) : null);
}

function quoted(text) {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
