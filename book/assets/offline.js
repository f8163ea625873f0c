// Browsers let no page that is read from a file fetch others: search shows titles there, and no summaries.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
