(() => {
  const buttons = [...document.querySelectorAll("[data-wash]")];
  const show = (button, on) => {
    button.setAttribute("aria-pressed", String(on));
    const wash = document.getElementById("wash-" + button.dataset.wash);
    wash.setAttribute("display", on ? "inline" : "none");
  };
  for (const button of buttons) {
    button.addEventListener("click", () =>
      show(button, button.getAttribute("aria-pressed") !== "true"));
  }
  for (const button of document.querySelectorAll("[data-all]")) {
    button.addEventListener("click", () =>
      buttons.forEach((each) => show(each, button.dataset.all === "true")));
  }
  const strip = document.getElementById("strip-lead");
  const choose = () => {
    document.getElementById("strip-wash").setAttribute("href", "#wash-" + strip.value);
    document.getElementById("strip-trace").setAttribute("href", "#trace-" + strip.value);
    document.getElementById("strip-name").textContent = strip.value;
  };
  strip.addEventListener("change", choose);
  document.getElementById("controls").hidden = false;
})();
