// One node, or two side by side: what it is, its numbers at the marked step, its curves.

const KINDS = ['output', 'output_grad', 'weight', 'slot', 'bn', 'dropout'];
// What is drawn large without being asked for, the first that there is.
const FIRST = ['weight.grad_norm', 'output_grad.norm', 'output.rms', 'output.norm'];

function nodeView() {
  if (state.node === null)
    return [h('h2', { text: t('view.node') }), h('p', { class: 'muted', text: t('node.choose') })];
  const chosen = [state.node, state.other].filter((node) => node !== null);
  return [
    h(
      'div',
      { class: 'heads' },
      chosen.map((node) => nodeHead(node)),
    ),
    compareBar(),
    bigChart(chosen),
    chosen.map((node) =>
      h(
        'section',
        {},
        chosen.length > 1 ? h('h2', {}, h('bdi', { text: nodes[node].name })) : null,
        batchNormalisation(node),
        histograms(node),
        quantityTables(node),
      ),
    ),
    workedStep(),
  ];
}

function nodeHead(node) {
  const facts = nodes[node];
  return h(
    'section',
    { class: 'head' },
    h(
      'h2',
      { class: 'nodename' },
      h('span', { class: 'bar', style: { background: `var(--bar-${facts.category})` } }),
      h('bdi', { text: facts.name }),
      h('span', { class: 'op', text: facts.op }),
    ),
    facts.label ? h('p', { class: 'muted' }, h('bdi', { text: facts.label })) : null,
    h(
      'dl',
      { class: 'facts' },
      fact('node.shape', facts.shapes.join(', ')),
      fact('node.inputs', links(facts.inputs)),
      fact('node.readers', links(facts.readers)),
      fact('node.params', parameters(facts)),
      fact('node.attributes', attributes(facts)),
      fact('node.flops', facts.flops ? figure(facts.flops, 'FLOP') : null),
      fact('node.memory', facts.memory ? figure(facts.memory, 'B') : null),
      fact('node.sees', facts.sees),
    ),
  );
}

function fact(key, value) {
  if (value === null || value === undefined || value === '' || value.length === 0) return null;
  return [h('dt', { text: t(key) }), h('dd', {}, value)];
}

function links(numbers) {
  return [...new Set(numbers)].slice(0, 12).map((number) =>
    h(
      'button',
      {
        class: 'link',
        onclick: () => setState({ node: number, view: 'node' }),
      },
      h('bdi', { text: nodes[number].name }),
    ),
  );
}

function parameters(facts) {
  if (facts.params === null) return '?';
  if (!facts.params && !facts.weights.length) return null;
  const parts = facts.weights.map(([name, shape, size, trainable]) =>
    h(
      'div',
      { class: 'muted' },
      h('bdi', { text: name }),
      ` ${shape}`,
      shape.includes('×') ? ` = ${whole(size)}` : '',
      trainable ? '' : ` (${t('node.fixed')})`,
    ),
  );
  const shared = facts.shares
    ? h('div', {}, t('node.shares'), ' ', h('bdi', { text: facts.shares }))
    : null;
  return [whole(facts.params), shared, parts];
}

/** Where a value comes from is told by the type: given upright, inferred italic, default italic and faint. */
function attributes(facts) {
  return facts.attributes.map(([text, source, reason]) =>
    h('span', {
      class: `attribute ${source}`,
      text,
      title: reason ? `${t(`source.${source}`)}: ${reason}` : t(`source.${source}`),
    }),
  );
}

function compareBar() {
  const select = h(
    'select',
    {
      id: 'compare',
      onchange: (event) =>
        setState({ other: event.target.value === '' ? null : Number(event.target.value) }),
    },
    h('option', { value: '', text: t('node.alone') }),
    nodes.map((facts, number) =>
      number === state.node
        ? null
        : h('option', {
            value: number,
            selected: number === state.other,
            text: short(facts.name, 40),
          }),
    ),
  );
  const swap =
    state.other === null
      ? null
      : h('button', {
          text: t('node.swap'),
          onclick: () => setState({ node: state.other, other: state.node }),
        });
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
  const lines = chosen.flatMap((node) =>
    sitesAt(quantity, node).map((site) => ({ quantity, site, name: siteName(site) })),
  );
  const select = h(
    'select',
    { id: 'quantity', onchange: (event) => setState({ quantity: event.target.value }) },
    options(quantity.name, (one) => chosen.some((node) => sitesAt(one, node).length)),
  );
  return chartFigure(
    {
      title: label(quantity),
      heading: h('label', {}, h('span', { class: 'hidden', text: t('node.quantity') }), select),
      note: noteOf(quantity),
      height: 230,
    },
    (holder) =>
      lineChart(holder, lines, { height: 230, title: label(quantity), guide: quantity.wanted }),
  );
}

/** The command that works out this step by hand. */
function workedStep() {
  return h(
    'section',
    {},
    h('h3', { text: t('node.worked') }),
    h('p', { text: t('node.worked_note') }),
    h(
      'pre',
      { class: 'command' },
      liveText(
        () =>
          `opgraph explain ${quoted(run.path)} --step ${state.step} --node ${quoted(nodes[state.node].name)} --lang ${state.lang} -o story.html`,
      ),
    ),
    content.story ? h('p', {}, h('a', { href: content.story, text: t('node.story') })) : null,
  );
}

function quoted(text) {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
