// Charts by Bokeh, the only place that knows it. All share one axis of steps and one marked step.

const charts = new Set();
const { Plotting } = Bokeh;
Bokeh.set_log_level('warn');
// The steps that all charts show: zooming one zooms all.
let span = null;
let spreading = false;

function colours() {
  return content.colours[state.theme];
}

function allSteps() {
  const first = Math.min(run.first, ticks[0] ?? 0);
  return { start: first, end: Math.max(run.last, first + 1) };
}

/** Whether nothing is zoomed. */
function spansAll() {
  const { start, end } = allSteps();
  return span === null || (span.start === start && span.end === end);
}

function showAll() {
  span = allSteps();
}

/** The range of a chart. Bokeh lets no two charts share one, so each tells the others. */
function stepsRange() {
  span ??= allSteps();
  const range = new Bokeh.Range1d({ ...span });
  range.change.connect(() => spread({ start: range.start, end: range.end }));
  return range;
}

function spread(wanted) {
  if (spreading) return;
  spreading = true;
  span = wanted;
  for (const chart of charts) chart.figure.x_range.setv(wanted);
  spreading = false;
}

/** An empty chart over the steps, in the colours of the theme. */
function stepChart(holder, { height, log = false, yRange = null, title }) {
  const look = colours();
  const figure_ = Plotting.figure({
    height,
    sizing_mode: 'stretch_width',
    x_range: stepsRange(),
    ...(yRange ? { y_range: yRange } : {}),
    y_axis_type: log ? 'log' : 'linear',
    tools: [],
    toolbar_location: null,
    min_border_left: 62,
    min_border_right: 12,
    background_fill_color: look.surface,
    border_fill_color: look.surface,
    outline_line_color: null,
  });
  for (const axis of [...figure_.xaxes, ...figure_.yaxes]) {
    axis.setv({
      axis_line_color: look.border,
      major_tick_line_color: look.border,
      minor_tick_line_color: null,
      major_label_text_color: look.muted,
      axis_label_text_color: look.muted,
      major_label_text_font_size: '11px',
      axis_label_text_font_size: '11px',
      axis_label_text_font_style: 'normal',
    });
  }
  figure_.xaxis.axis_label = t('page.step');
  for (const grid of figure_.xgrids) grid.grid_line_color = null;
  for (const grid of figure_.ygrids)
    grid.setv({ grid_line_color: look.border, grid_line_alpha: 0.6 });
  const mark = new Bokeh.Span({
    dimension: 'height',
    location: state.step,
    line_color: look.text,
    line_width: 1,
    line_alpha: 0.7,
  });
  figure_.add_layout(mark);
  figure_.add_tools(new Bokeh.BoxZoomTool({ dimensions: 'width' }));
  figure_.on_event('tap', (event) => setState({ step: nearestTick(event.x) }));
  figure_.on_event('doubletap', () => spread(allSteps()));
  const chart = { holder, figure: figure_, mark, view: null };
  charts.add(chart);
  holder.setAttribute('role', 'img');
  holder.setAttribute('aria-label', title);
  return chart;
}

function nearestTick(step) {
  return ticks[Math.max(0, place(ticks, Math.round(step)))];
}

function show(chart) {
  Plotting.show(chart.figure, chart.holder).then((view) => {
    chart.view = view;
    if (!charts.has(chart)) dispose(view);
    chart.holder.dataset.drawn = 'yes';
  });
}

function dispose(view) {
  for (const one of [view].flat()) one?.remove?.();
}

/** Forget all charts, before others take their places. */
function dropCharts() {
  for (const chart of charts) dispose(chart.view);
  charts.clear();
}

function markStep(step) {
  for (const chart of charts) chart.mark.location = step;
}

/** Whether lines call for a logarithmic axis: none of them below zero, and far apart. */
function wantsLog(lines) {
  const some = lines.filter((line) => line.quantity.scale);
  if (!some.length || !some.every((line) => line.quantity.scale.log && !line.quantity.scale.floor))
    return false;
  const all = some.flatMap((line) => line.line.y).filter(Number.isFinite);
  return all.filter((number) => number <= 0).length <= 0.1 * all.length;
}

/** Lines over the steps: `{quantity, site, name}` each; `guide` is a value to compare with. */
function lineChart(holder, lines, { height = 190, title, guide = null, log = null }) {
  const drawn = lines.map((line, number) => ({
    ...line,
    line: lineOf(line.quantity, line.site),
    colour: colours().lines[number % colours().lines.length],
  }));
  const isLog = log ?? wantsLog(drawn);
  const chart = stepChart(holder, { height, log: isLog, title });
  if (guide !== null)
    chart.figure.add_layout(
      new Bokeh.Span({
        dimension: 'width',
        location: guide,
        line_color: colours().muted,
        line_dash: [2, 4],
        line_width: 1.5,
      }),
    );
  for (const one of drawn) addLine(chart, one, isLog);
  show(chart);
  return legend(
    drawn.map((one) => [one.colour, one.name]),
    drawn.length > 1,
  );
}

function addLine(chart, { line, colour, name, quantity }, isLog) {
  const fit = (number) => (isLog && !(number > 0) ? NaN : number);
  const source = new Bokeh.ColumnDataSource({
    data: {
      x: line.x,
      y: line.y.map(fit),
      ...(line.low.length ? { low: line.low.map(fit), high: line.high.map(fit) } : {}),
      exact: line.y.map((number) => exact(number, quantity.unit)),
      name: line.x.map(() => name),
      where: line.x.map((step) => t('page.of_steps', { step: whole(step), last: whole(run.last) })),
    },
  });
  if (line.low.length) {
    chart.figure.varea({
      x: { field: 'x' },
      y1: { field: 'low' },
      y2: { field: 'high' },
      source,
      fill_color: colour,
      fill_alpha: 0.22,
    });
  }
  const glyph = chart.figure.line({
    x: { field: 'x' },
    y: { field: 'y' },
    source,
    line_color: colour,
    line_width: 1.6,
  });
  if (line.x.length < 40)
    chart.figure.scatter({ x: { field: 'x' }, y: { field: 'y' }, source, size: 4, color: colour });
  if (line.bad.length) addBad(chart, line.bad);
  chart.figure.add_tools(
    new Bokeh.HoverTool({
      renderers: [glyph],
      mode: 'vline',
      line_policy: 'nearest',
      attachment: 'horizontal',
      tooltips: [
        ['', '@name'],
        ['', '@where'],
        ['', '@exact'],
      ],
    }),
  );
}

/** Marks along the lower edge where there were NaN or infinite values. */
function addBad(chart, steps) {
  for (const step of steps.slice(0, 200)) {
    chart.figure.add_layout(
      new Bokeh.Span({
        dimension: 'height',
        location: step,
        line_color: content.colours[state.theme].nan[0],
        line_alpha: 0.5,
      }),
    );
  }
}

function exact(number, unit) {
  if (!Number.isFinite(number)) return 'NaN / Inf';
  const text = String(Number(number.toPrecision(7))).replace('-', '−');
  return unit && unit !== '1' && unit !== 'elements' ? `${text} ${unit}` : text;
}

/** Names of lines beside their colours; nothing where there is but one. */
function legend(entries, needed) {
  if (!needed) return null;
  return h(
    'ul',
    { class: 'legend' },
    entries.map(([colour, name]) =>
      h(
        'li',
        {},
        h('span', { class: 'swatch', style: { background: colour } }),
        h('bdi', { text: name }),
      ),
    ),
  );
}

/**
 * Rows of colours over the steps. Each row has a `name` and gives a `[colour, text]` for a step;
 * `pick` is told which row was clicked.
 */
function heatMap(holder, rows, { height, title, pick, say }) {
  const yRange = new Bokeh.Range1d({ start: 0, end: rows.length });
  const chart = stepChart(holder, { height, yRange, title });
  const { start, end } = allSteps();
  const columns = Math.min(640, end - start);
  const pixels = new Uint32Array(columns * rows.length);
  rows.forEach((row, number) => {
    const offset = (rows.length - 1 - number) * columns;
    for (let column = 0; column < columns; column += 1) {
      const step = start + Math.floor(((column + 0.5) / columns) * (end - start));
      pixels[offset + column] = packed(row.colour(step));
    }
  });
  const image = Bokeh.require('core/util/ndarray').ndarray(pixels, {
    dtype: 'uint32',
    shape: [rows.length, columns],
  });
  chart.figure.image_rgba({ image: [image], x: start, y: 0, dw: end - start, dh: rows.length });
  nameRows(chart.figure.yaxes[0], rows, height);
  const rowAt = (event) => rows[rows.length - 1 - Math.floor(event.y)];
  if (pick)
    chart.figure.on_event('tap', (event) => {
      if (rowAt(event)) pick(rowAt(event));
    });
  chart.figure.on_event('mousemove', (event) => {
    const row = rowAt(event);
    if (row && event.x >= start && event.x <= end) say(row, Math.round(event.x));
  });
  show(chart);
}

function nameRows(axis, rows, height) {
  const every = Math.max(1, Math.ceil((13 * rows.length) / (height - 60)));
  const places = rows.map((_, number) => number).filter((number) => number % every === 0);
  axis.ticker = new Bokeh.FixedTicker({
    ticks: places.map((number) => rows.length - number - 0.5),
  });
  axis.major_label_overrides = new Map(
    places.map((number) => [rows.length - number - 0.5, short(rows[number].name, 22)]),
  );
  axis.setv({ major_tick_line_color: null, axis_line_color: null });
}

function short(text, most) {
  const letters = Array.from(text);
  if (letters.length <= most) return text;
  const front = (most - 1) >> 1;
  return `${letters.slice(0, front).join('')}…${letters.slice(letters.length - (most - 1 - front)).join('')}`;
}

/** `#RRGGBB` as the four bytes of a pixel. */
function packed(colour) {
  const number = parseInt(colour.slice(1), 16);
  return (0xff000000 | ((number & 0xff) << 16) | (number & 0xff00) | (number >> 16)) >>> 0;
}
