// Measures text as it is drawn: boxes of every visible line, and its contrast with what lies behind it.
(() => {
  const visible = (element) => {
    if (element.closest(".hidden, .skip, details:not([open]) > :not(summary)")) return false;
    return element.checkVisibility();
  };
  const texts = (root) => {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
      const node = walker.currentNode;
      if (!node.data.trim() || !visible(node.parentElement)) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      for (const box of range.getClientRects()) found.push({ node, box, text: node.data.trim() });
    }
    return found;
  };
  const overlaps = () => {
    const found = [];
    for (const figure of document.querySelectorAll("figure, .card, .claim, .paper-items li, .copies, header")) {
      const lines = texts(figure);
      for (let a = 0; a < lines.length; a++) for (let b = a + 1; b < lines.length; b++) {
        if (lines[a].node === lines[b].node) continue;
        const [p, q] = [lines[a].box, lines[b].box];
        const width = Math.min(p.right, q.right) - Math.max(p.left, q.left);
        const height = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
        // Line boxes are taller than letters: neighbours may share their leading.
        if (width > 1 && height > 5) found.push(`${lines[a].text} | ${lines[b].text}`);
      }
    }
    return found;
  };
  const cut = () => {
    const found = [];
    for (const { node, box, text } of texts(document.body)) {
      if (node.parentElement.closest(".scroll, pre")) continue;
      if (box.left < -0.5 || box.right > innerWidth + 0.5) found.push(text);
    }
    return found;
  };
  const channel = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
  // A canvas turns every notation of a colour into red, green, blue and opacity, 0 to 255.
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const parsed = new Map();
  const parse = (colour) => {
    if (!parsed.has(colour)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      parsed.set(colour, [...canvas.getImageData(0, 0, 1, 1).data]);
    }
    return parsed.get(colour);
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  const faint = () => {
    const found = new Set();
    for (const { node, text } of texts(document.body)) {
      const element = node.parentElement;
      const pair = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))].sort((a, b) => b - a);
      const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
      if (ratio < 4.5) found.add(`${ratio.toFixed(2)} ${text}`);
    }
    return [...found];
  };
  const overflow = () => document.documentElement.scrollWidth - innerWidth;
  return { overlaps: overlaps(), cut: cut(), faint: faint(), overflow: overflow(), lines: texts(document.body).length };
})();
