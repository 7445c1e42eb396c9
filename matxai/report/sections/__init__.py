"""One file for each section of a report; each registers itself in `matxai.report.section.sections`."""
