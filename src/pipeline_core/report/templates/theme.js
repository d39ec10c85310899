"use strict";
// Cycles system -> light -> dark. Storage may be refused for pages opened as files; the page then forgets the choice.
(() => {
  const themes = ["system", "light", "dark"];
  const button = document.getElementById("theme");
  const read = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const write = (theme) => { try { localStorage.setItem("theme", theme); } catch { /* forgotten */ } };
  const show = (theme) => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  let theme = themes.includes(read()) ? read() : "system";
  show(theme);
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    write(theme);
    show(theme);
  });
})();
