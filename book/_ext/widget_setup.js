// Loaded between require.js and embed-amd.js: modules that the widget manager asks for lie beside this file.
(function () {
  const here = document.currentScript.src.replace(/\/[^/]*$/, "");
  requirejs.config({
    paths: { anywidget: here + "/anywidget", "@jupyter-widgets/html-manager/dist": here },
  });
})();
