// Package packages tests the Debian and RPM packages: what is in them, and what their scripts do when they are installed, upgraded,
// removed and purged, in a throw-away root that is this machine's with a layer on top. It needs root, for mount and chroot.
package packages
