package web

import "time"

// ReceivedOn lets a test say at which listener a request arrived, without one.
var ReceivedOn = receivedOn

// SetPatience changes how long a client of a stream may take to read a piece of it. It is called before there is one.
func (s *Server) SetPatience(d time.Duration) { s.patience = d }

// Streams is how many streams are open.
func (s *Server) Streams() int {
	s.ticker.mu.Lock()
	defer s.ticker.mu.Unlock()
	return s.ticker.waiting
}
