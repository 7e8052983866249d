// What was measured at a node: batch normalisation, histograms, every quantity as a row.

/** Statistics of the batch beside the moving ones that prediction uses. */
function batchNormalisation(node) {
  return ['mean', 'variance'].map((moment) => {
    const pair = [`bn.batch_${moment}`, `bn.moving_${moment}`].map((name) => byName.get(name));
    if (!pair.every((quantity) => quantity && sitesAt(quantity, node).length)) return null;
    const lines = pair.map((quantity) => ({
      quantity,
      site: sitesAt(quantity, node)[0],
      name: label(quantity),
    }));
    return chartFigure({ title: t(`node.bn_${moment}`), note: t('node.bn_note') }, (holder) =>
      lineChart(holder, lines, { height: 170, title: t(`node.bn_${moment}`), log: false }),
    );
  });
}

/** Histograms over the steps: a row for each bin, what holds more elements stands out. */
function histograms(node) {
  const found = content.histograms.all.filter((one) => one.node === node);
  if (!found.length) return null;
  const names = found.map((one) => `${one.name}${one.part ?? ''}`);
  const chosen = Math.max(0, names.indexOf(state.histogram));
  const select = h(
    'select',
    { class: 'histogram', onchange: (event) => setState({ histogram: names[event.target.value] }) },
    found.map((one, number) =>
      h('option', { value: number, selected: number === chosen, text: histogramName(one) }),
    ),
  );
  const one = found[chosen];
  const say = h('output', { class: 'muted', text: t('node.histogram_hint') });
  return chartFigure(
    {
      title: t('node.histogram'),
      below: say,
      heading: [
        h('h3', { text: t('node.histogram') }),
        h('label', {}, h('span', { class: 'hidden', text: t('node.histogram') }), select),
      ],
      note: t('node.histogram_note', { count: one.steps.length, elements: whole(one.elements) }),
    },
    (holder) => histogramMap(holder, one, say),
  );
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
  const bins = Array.from({ length: one.bins }, (_, number) => one.bins - 1 - number).filter(
    telling,
  );
  const rows = bins.map((bin) => ({
    name: powers(content.histograms.labels[one.first + bin]),
    bin,
    colour: (step) => {
      const share = shareAt(bin, step);
      return share ? ramp[Math.round(32 * Math.sqrt(share / largest))][0] : none;
    },
  }));
  const height = Math.min(420, Math.max(140, 70 + 9 * rows.length));
  return heatMap(holder, rows, {
    height,
    title: t('node.histogram'),
    say: (row, step) => {
      const share = shareAt(row.bin, step);
      say.textContent =
        share === null
          ? ''
          : t('node.histogram_says', {
              bin: row.name,
              step: whole(one.steps[place(one.steps, step)]),
              share: figure((100 * share) / 65535),
            });
    },
  });
}

/** `-2^-17` as one writes it. */
function powers(text) {
  const raised = {
    '-': '⁻',
    0: '⁰',
    1: '¹',
    2: '²',
    3: '³',
    4: '⁴',
    5: '⁵',
    6: '⁶',
    7: '⁷',
    8: '⁸',
    9: '⁹',
  };
  return text
    .replace(/\^(-?\d+)/, (_, power) => Array.from(power, (sign) => raised[sign]).join(''))
    .replace('-', '−');
}

/** All numbers of a node at the marked step; a click draws one large. */
function quantityTables(node) {
  return KINDS.map((kind) => {
    const some = nodeQuantities().filter(
      (quantity) => quantity.kind === kind && sitesAt(quantity, node).length,
    );
    if (!some.length) return null;
    return h(
      'section',
      {},
      h('h3', { text: t(`kind.${kind}`) }),
      h(
        'div',
        { class: 'scroll' },
        h(
          'table',
          { class: 'quantities' },
          h(
            'thead',
            {},
            h(
              'tr',
              {},
              h('th', { text: t('page.quantity') }),
              h('th', { text: t('page.trend') }),
              h(
                'th',
                {},
                liveText(() => t('page.at_step', { step: whole(state.step) })),
              ),
              h('th', { text: t('page.least') }),
              h('th', { text: t('page.largest') }),
            ),
          ),
          h(
            'tbody',
            {},
            some.flatMap((quantity) =>
              sitesAt(quantity, node).map((site) => quantityRow(quantity, site)),
            ),
          ),
        ),
      ),
    );
  });
}

function quantityRow(quantity, site) {
  const name = [site.part, label(quantity, false)].filter(Boolean).join(' · ');
  const cells = [
    h(
      'td',
      {},
      h(
        'button',
        {
          class: 'link',
          title: state.lang === 'en' ? sentence(quantity.doc) : quantity.name,
          onclick: () => setState({ quantity: quantity.name }),
        },
        h('bdi', { text: name }),
      ),
    ),
  ];
  if (site.row === undefined) {
    return h(
      'tr',
      { class: 'flat' },
      cells,
      h('td', { class: 'muted', text: t('page.constant') }),
      h(
        'td',
        {},
        liveText(
          () => figure(valueAt(quantity, site, state.step), quantity.unit),
          t('page.unmeasured'),
        ),
      ),
      h('td'),
      h('td'),
    );
  }
  const line = lineOf(quantity, site);
  const ends = [...line.y, ...line.low, ...line.high].filter(Number.isFinite);
  const extreme = (pick) =>
    ends.length
      ? figure(
          ends.reduce((a, b) => pick(a, b)),
          quantity.unit,
        )
      : '';
  return h(
    'tr',
    {},
    cells,
    h('td', {}, liveSpark([line], quantity.scale)),
    h(
      'td',
      { class: 'now' },
      liveText(() => figure(valueAt(quantity, site, state.step), quantity.unit)),
    ),
    h('td', { text: extreme((a, b) => Math.min(a, b)) }),
    h('td', { text: extreme((a, b) => Math.max(a, b)) }),
  );
}
