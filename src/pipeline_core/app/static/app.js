"use strict";
// Forms that answer as they are changed, pictures to search with, and drawings of many points. Pages work without it.
(() => {
  const pause = 120;

  // A form marked "live" is asked again when it changes; only the part of the page that answers it is replaced.
  const live = (form) => {
    let waiting, running;
    const ask = async () => {
      const values = new FormData(form);
      for (const [name, value] of [...values]) if (value === "" || value instanceof File) values.delete(name);
      const address = `${form.getAttribute("action")}?${new URLSearchParams(values)}`;
      running?.abort();
      running = new AbortController();
      try {
        const answer = await fetch(address, { signal: running.signal });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.querySelector("#answer") ?? page.querySelector("main");
        document.getElementById("answer").replaceChildren(...fresh.childNodes);
        history.replaceState(null, "", address);
      } catch (error) {
        if (error.name !== "AbortError") location.assign(address);
      }
    };
    const soon = () => { clearTimeout(waiting); waiting = setTimeout(ask, pause); };
    form.addEventListener("input", (event) => {
      const shown = form.querySelector(`output[for="${event.target.id}"]`);
      if (shown) shown.value = "percent" in shown.dataset ? `${(100 * event.target.value).toFixed(2)}%` : event.target.value;
      if (event.target.type !== "file") soon();
    });
    form.addEventListener("submit", (event) => { event.preventDefault(); ask(); });
  };

  // A picture that is chosen or dropped is sent as it is; the search then names it by its digest.
  const taking = (form) => {
    const file = form.querySelector("input[type=file]");
    const place = form.querySelector(".drop");
    const said = form.querySelector("[role=status]");
    const take = async (picture) => {
      said.textContent = "sending the picture …";
      const answer = await fetch("/asked", { method: "POST", body: picture, headers: { Accept: "application/json" } });
      const told = await answer.json();
      if (!answer.ok) { said.textContent = [told.problem, told.remedy].filter(Boolean).join("; "); return; }
      said.textContent = "";
      file.value = "";
      form.elements.picture.value = told.picture;
      form.requestSubmit();
    };
    file.addEventListener("change", () => { if (file.files[0]) take(file.files[0]); });
    for (const kind of ["dragover", "dragleave", "drop"]) place.addEventListener(kind, (event) => {
      event.preventDefault();
      place.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
    });
  };

  // Points of one drawing: x and y from 0 to 1, a tone each; pointed at they say what they are, dragged over they are chosen.
  const drawing = async (holder) => {
    const canvas = holder.querySelector("canvas");
    const said = holder.querySelector(".pointed");
    const idle = holder.dataset.idle ?? "";
    const answer = await fetch(holder.dataset.points, { headers: { Accept: "application/json" } });
    const told = await answer.json();
    if (!answer.ok) { said.textContent = told.problem; return; }
    const { x, y, tone, label, link } = told;
    said.textContent = idle;
    const margin = 10;
    const order = new Uint32Array(x.length);
    let ordered = 0;
    // What is in none of it lies below the rest.
    for (const height of [3, 0, 1, 2, 4, 5, 6, 7]) for (let n = 0; n < x.length; n++) if (tone[n] === height) order[ordered++] = n;
    const view = { left: 0, bottom: 0, zoom: 1 };
    let from, to, held, scale, tones, ground;
    const place = (n) => [
      margin + (x[n] - view.left) * view.zoom * (scale.width - 2 * margin),
      scale.height - margin - (y[n] - view.bottom) * view.zoom * (scale.height - 2 * margin),
    ];
    // Colours as the style sheet has them now, by what a pixel of them is.
    const mixed = [35, 55, 75, 100].map((share) => `color-mix(in srgb, var(--bad) ${share}%, var(--soft))`);
    const colours = () => {
      const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
      const seen = (colour) => {
        const probe = document.createElement("i");
        probe.style.color = colour;
        holder.append(probe);
        pixel.fillStyle = getComputedStyle(probe).color;
        probe.remove();
        pixel.fillRect(0, 0, 1, 1);
        return [...pixel.getImageData(0, 0, 1, 1).data];
      };
      tones = ["var(--m0)", "var(--m2)", "var(--m1)", "var(--soft)", ...mixed].map(seen);
      ground = seen("var(--card)");
    };
    // Pixels are mixed here: 100,000 rectangles of a canvas take longer than a frame.
    const draw = () => {
      if (!tones) colours();
      scale = canvas.getBoundingClientRect();
      const dense = devicePixelRatio || 1;
      const [width, height] = [Math.round(scale.width * dense), Math.round(scale.height * dense)];
      if (!width || !height) return;
      if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
      const pen = canvas.getContext("2d");
      const image = pen.createImageData(width, height);
      const data = image.data;
      new Uint32Array(data.buffer).fill(new Uint32Array(new Uint8ClampedArray(ground).buffer)[0]);
      const side = Math.max(1, Math.round((x.length > 20000 ? 1.5 : x.length > 3000 ? 2 : 3) * dense * Math.min(2, Math.sqrt(view.zoom))));
      const opacity = x.length > 20000 && view.zoom < 4 ? 0.35 : 0.6;
      for (const n of order) {
        const [left, top] = place(n);
        const [first, last] = [Math.round(left * dense - side / 2), Math.round(top * dense - side / 2)];
        if (first < 0 || last < 0 || first + side > width || last + side > height) continue;
        const colour = tones[tone[n]];
        for (let row = last; row < last + side; row++) for (let at = 4 * (row * width + first), end = at + 4 * side; at < end; at += 4) {
          data[at] += (colour[0] - data[at]) * opacity;
          data[at + 1] += (colour[1] - data[at + 1]) * opacity;
          data[at + 2] += (colour[2] - data[at + 2]) * opacity;
        }
      }
      pen.putImageData(image, 0, 0);
      if (from && to) {
        pen.setTransform(dense, 0, 0, dense, 0, 0);
        pen.strokeStyle = getComputedStyle(document.documentElement).color;
        pen.strokeRect(from[0], from[1], to[0] - from[0], to[1] - from[1]);
        pen.setTransform(1, 0, 0, 1, 0, 0);
      }
    };
    let due;
    const soon = () => { due ??= requestAnimationFrame(() => { due = undefined; draw(); }); };
    const zoom = (times, [left, top] = [scale.width / 2, scale.height / 2]) => {
      const [a, b] = share([left, top]);
      view.zoom = Math.min(200, Math.max(1, view.zoom * times));
      const now = share([left, top]);
      move(a - now[0], b - now[1]);
    };
    const move = (across, up) => {
      const room = 1 - 1 / view.zoom;
      view.left = Math.min(room, Math.max(0, view.left + across));
      view.bottom = Math.min(room, Math.max(0, view.bottom + up));
      soon();
    };
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const nearest = ([left, top]) => {
      let best = -1, least = 144;
      for (let n = 0; n < x.length; n++) {
        const [a, b] = place(n);
        const far = (a - left) ** 2 + (b - top) ** 2;
        if (far < least) { best = n; least = far; }
      }
      return best;
    };
    const share = ([left, top]) => [
      view.left + (left - margin) / (scale.width - 2 * margin) / view.zoom,
      view.bottom + (scale.height - margin - top) / (scale.height - 2 * margin) / view.zoom,
    ];
    canvas.addEventListener("pointermove", (event) => {
      if (held) {
        const [a, b] = [share(held), share(at(event))];
        held = at(event);
        move(a[0] - b[0], a[1] - b[1]);
        return;
      }
      if (from) { to = at(event); soon(); return; }
      const n = nearest(at(event));
      said.textContent = n < 0 ? idle : label[n];
      canvas.style.cursor = n < 0 ? "crosshair" : "pointer";
    });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.shiftKey) held = at(event); else from = at(event);
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      zoom(1.002 ** -event.deltaY, at(event));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const [across, up] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [];
      if (across !== undefined) { event.preventDefault(); move(0.1 * across / view.zoom, 0.1 * up / view.zoom); }
      if (event.key === "+") zoom(1.5);
      if (event.key === "-") zoom(1 / 1.5);
    });
    for (const button of holder.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => zoom(+button.dataset.zoom));
    canvas.addEventListener("pointerup", (event) => {
      if (held) { held = undefined; return; }
      const start = from, end = at(event);
      from = to = undefined;
      draw();
      if (Math.abs(end[0] - start[0]) + Math.abs(end[1] - start[1]) < 6) {
        const n = nearest(end);
        if (n >= 0) location.assign(link[n]);
        return;
      }
      const [a, b] = [share(start), share(end)];
      const chosen = { left: Math.min(a[0], b[0]), right: Math.max(a[0], b[0]), bottom: Math.min(a[1], b[1]), top: Math.max(a[1], b[1]) };
      const inside = [...x.keys()].filter((n) => x[n] >= chosen.left && x[n] <= chosen.right && y[n] >= chosen.bottom && y[n] <= chosen.top);
      holder.dispatchEvent(new CustomEvent("chosen", { bubbles: true, detail: { chosen, inside, label, link } }));
    });
    // By keyboard, beside moving and zooming: page keys go from left to right through the points, faster with Shift.
    let across, step = -1;
    canvas.tabIndex = 0;
    canvas.setAttribute("aria-keyshortcuts", "PageDown PageUp Enter");
    said.setAttribute("role", "status");
    canvas.addEventListener("keydown", (event) => {
      const way = { PageDown: 1, PageUp: -1 }[event.key];
      if (event.key === "Enter" && step >= 0) location.assign(link[across[step]]);
      if (!way || !x.length) return;
      event.preventDefault();
      across ??= [...x.keys()].sort((a, b) => x[a] - x[b]);
      step = Math.max(0, Math.min(across.length - 1, step + way * (event.shiftKey ? Math.ceil(across.length / 50) : 1)));
      draw();
      const [dense, [left, top]] = [devicePixelRatio || 1, place(across[step])];
      const pen = canvas.getContext("2d");
      pen.strokeStyle = getComputedStyle(canvas).color;
      pen.strokeRect((left - 5) * dense, (top - 5) * dense, 10 * dense, 10 * dense);
      said.textContent = label[across[step]];
    });
    new ResizeObserver(draw).observe(canvas);
    const anew = () => { tones = undefined; soon(); };
    document.getElementById("theme").addEventListener("click", anew);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", anew);
    holder.dataset.drawn = x.length;
  };

  // What is dragged over in the drawing of features fills the fields of the form that filters them.
  const brushed = (form) => document.addEventListener("chosen", (event) => {
    const { chosen } = event.detail;
    const { energy, attribution } = JSON.parse(event.target.dataset.axes);
    const value = ([low, high], share) => (10 ** (low + share * (high - low))).toPrecision(4);
    form.elements.energy_from.value = value(energy, chosen.left);
    form.elements.energy_to.value = value(energy, chosen.right);
    form.elements.attribution_from.value = value(attribution, chosen.bottom);
    form.elements.attribution_to.value = value(attribution, chosen.top);
    form.requestSubmit();
  });

  // What is dragged over in a map is listed below it.
  const listed = (list) => document.addEventListener("chosen", (event) => {
    const { inside, label, link } = event.detail;
    const rows = inside.slice(0, 60).map((n) => {
      const [row, anchor] = [document.createElement("li"), document.createElement("a")];
      anchor.href = link[n];
      anchor.textContent = label[n];
      row.append(anchor);
      return row;
    });
    list.previousElementSibling.textContent = `${inside.length.toLocaleString("en")} chosen${inside.length > 60 ? ", 60 shown" : ""}`;
    list.replaceChildren(...rows);
  });

  // A part of a page that takes time is asked for by its link, or at once, and stands where the link stood.
  const fetched = (link) => {
    const fill = async () => {
      const place = link.parentElement.parentElement;
      link.parentElement.setAttribute("aria-busy", "true");
      try {
        const answer = await fetch(link.href);
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.querySelector("#answer") ?? page.querySelector(".statement");
        place.replaceChildren(...(fresh.id ? fresh.childNodes : [fresh]));
      } catch { link.parentElement.removeAttribute("aria-busy"); }
    };
    link.addEventListener("click", (event) => { event.preventDefault(); if (!link.closest("[aria-busy]")) fill(); });
    if ("now" in link.dataset) fill();
  };

  for (const form of document.querySelectorAll("form[data-live]")) live(form);
  for (const link of document.querySelectorAll("a[data-fetched]")) fetched(link);
  for (const form of document.querySelectorAll("form[data-takes-picture]")) taking(form);
  for (const holder of document.querySelectorAll("[data-points]")) drawing(holder);
  for (const form of document.querySelectorAll("form[data-brushed]")) brushed(form);
  for (const list of document.querySelectorAll("[data-lists]")) listed(list);
})();
