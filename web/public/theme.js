// Runs before the first paint, so that a chosen theme does not flash the other one.
try {
  var theme = localStorage.getItem("gateway.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch (error) {
  console.info("The theme choice cannot be read here.", error);
}
