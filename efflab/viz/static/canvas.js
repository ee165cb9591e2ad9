// Drawing on canvases that follow their width, the screen's density, and the page's theme.

/** The palette as the page shows it now. */
function coloursOf(node) {
  const style = getComputedStyle(node);
  const of = (name) => style.getPropertyValue(`--efflab-${name}`).trim();
  const series = [0, 1, 2, 3, 4].map((i) => of(`series-${i}`));
  return { face: of("face"), text: of("text"), muted: of("muted"), grid: of("grid"), stop: of("stop"), series, font: style.fontFamily };
}

/** Call back when the page turns light or dark; returns what ends the watch. */
function onTheme(call) {
  const system = globalThis.matchMedia ? matchMedia("(prefers-color-scheme: dark)") : null;
  const watch = globalThis.MutationObserver ? new MutationObserver(call) : null;
  if (system) system.addEventListener("change", call);
  const attributeFilter = ["data-theme", "data-jp-theme-light"];
  if (watch) for (const node of [document.documentElement, document.body]) watch.observe(node, { attributes: true, attributeFilter });
  return () => {
    if (system) system.removeEventListener("change", call);
    if (watch) watch.disconnect();
  };
}

function stillness() {
  return Boolean(globalThis.matchMedia) && matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** A canvas: `heightOf(width)` is its height, `draw(context, width, height)` draws it; `resized` is called after a change of width. */
function surface(name, heightOf, draw) {
  const node = html("canvas", "efflab-canvas");
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", name);
  const context = node.getContext("2d");
  const one = { node, width: 0, height: 0 };
  one.fit = (width) => {
    const density = Math.min(3, globalThis.devicePixelRatio || 1);
    Object.assign(one, { width, height: heightOf(width) });
    node.width = Math.round(width * density);
    node.height = Math.round(one.height * density);
    node.setAttribute("style", `height: ${one.height}px`);
    context.setTransform(density, 0, 0, density, 0, 0);
  };
  one.paint = () => {
    context.clearRect(0, 0, one.width, one.height);
    draw(context, one.width, one.height);
  };
  one.fit(700);
  return one;
}

/** Keep canvases as wide as they are shown, and repaint them; returns what ends the watch. */
function onResize(surfaces, repaint) {
  if (!globalThis.ResizeObserver) return () => {};
  const watch = new ResizeObserver((changes) => {
    for (const { target, contentRect } of changes) {
      const one = surfaces.find(({ node }) => node === target);
      if (contentRect.width > 0 && Math.abs(contentRect.width - one.width) >= 0.5) one.fit(contentRect.width);
    }
    repaint();
  });
  for (const { node } of surfaces) watch.observe(node);
  return () => watch.disconnect();
}
