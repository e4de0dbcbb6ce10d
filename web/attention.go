package web

import (
	"context"
	"time"
)

// Attention lists what needs a person now, the longest first, as the page does: at most 100 things.
func (s *Server) Attention(ctx context.Context) ([]Item, error) {
	st, err := s.status(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	return st.Attention, nil
}
