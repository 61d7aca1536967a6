// Select2 tells jQuery alone of what was chosen. The warning about unsaved changes and previews listen to the browser's own events.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  window.django?.jQuery?.(document).on("change", "select.admin-autocomplete", (event) => {
    if (event.originalEvent === undefined) {
      for (const type of ["input", "change"]) {
        event.target.dispatchEvent(new Event(type, { bubbles: true }));
      }
    }
  });
});
