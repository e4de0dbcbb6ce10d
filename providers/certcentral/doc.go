// Package certcentral lists, makes, proves and revokes API keys at DigiCert CertCentral, through its Services API v2, and
// lists, shows, makes and changes the users that they belong to.
//
// It uses what the vendor documents (dev.digicert.com/certcentral-apis/services-api) and marks where it goes by less. Three facts
// shape it:
//
//   - Keys have no expiry. Their age comes from create_date, and they work until they are revoked or their user is deleted.
//   - A key's value is in the answer to its creation and nowhere else, so that request is sent once, whatever happens.
//   - Calls are limited per key, in two rolling windows. The manager key is kept below both; a call that proves another
//     key counts against that key alone.
//
// The package holds no inventory: lists are handed on element by element as they arrive.
package certcentral
