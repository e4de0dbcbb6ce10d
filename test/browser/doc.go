// Package browser tests the pages in a real Chromium: what they show, what their buttons do, that they are live, that they
// work without JavaScript, on a phone and for a large fleet, and that everybody can use them. Screenshots are left in
// dist/screenshots.
package browser
