package web

// ReceivedOn lets a test say at which listener a request arrived, without one.
var ReceivedOn = receivedOn
