// Package emulator holds servers that behave as the documented APIs of issuing systems do, with faults to order.
//
// Each system is an http.Handler with its own state: [NewCertCentral] makes the one for DigiCert CertCentral, [NewDigiCertOne]
// the one for the Account Manager of DigiCert ONE, [NewDataspot] the one for a dataspot. server. They are written from the
// vendors' documents alone and share no code with the providers, so that a mistake made in one is seen by the other. They are
// never easier to please than the real thing is documented to be.
//
// What the documents do not say is an option with a stated default, or is refused.
//
// Three things are there for tests and demonstrations, and nowhere in the real systems:
//
//   - [Faults]: lost answers, resets, wrong status codes, garbage, truncated and repeated pages, on the calls you name.
//   - A usage log: how often each key was accepted and refused.
//   - An admin handler, to be served apart from the emulated API, which gives both to another process.
package emulator
