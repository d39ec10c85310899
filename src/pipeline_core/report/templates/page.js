// Copies a table's prepared text; where the clipboard is refused, as it may be for files, the text is shown and selected.
(() => {
  const select = (text) => {
    text.closest("details").open = true;
    getSelection().selectAllChildren(text);
    text.focus();
    text.scrollIntoView({ block: "nearest" });
  };
  const copy = async (button) => {
    const text = document.getElementById(button.dataset.copies);
    const status = button.parentElement.querySelector("[role=status]");
    try {
      await navigator.clipboard.writeText(text.textContent);
      status.textContent = `${button.textContent} copied`;
    } catch {
      select(text);
      status.textContent = "Selected: copy it with Ctrl+C or ⌘C";
    }
  };
  for (const button of document.querySelectorAll("[data-copies]")) button.addEventListener("click", () => copy(button));
  // On narrow screens the long list of the paper's items starts folded.
  if (matchMedia("(max-width: 900px)").matches) document.getElementById("paper-items").open = false;
  // A link to something in a fold opens the fold.
  const reveal = () => {
    const target = document.getElementById(location.hash.slice(1));
    const fold = target?.closest("details:not([open])");
    if (!fold) return;
    fold.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();
})();
