package web

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"

	"go.uber.org/zap"
)

// catch answers 500 where a handler panicked, and logs where. What the panic says is left out unless it comes from the
// runtime, which quotes no values: it may hold anything, a key included. An answer that had begun is cut off, so that nobody takes
// it for whole.
func (s *Server) catch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watched := &begun{ResponseWriter: w}
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			s.log.Error("answering a request failed by a mistake in rotatord; please report it",
				zap.String("method", r.Method), zap.String("path", r.URL.Path), zap.String("panic", panicWords(v)), zap.ByteString("stack", debug.Stack()))
			if watched.yet {
				panic(http.ErrAbortHandler)
			}
			refuse(w, r, http.StatusInternalServerError, "this is a mistake in rotatord; the daemon goes on, and its log says where it is")
		}()
		next.ServeHTTP(watched, r)
	})
}

func panicWords(v any) string {
	if err, ok := v.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a value of type %T", v)
}

// begun knows whether an answer has begun.
type begun struct {
	http.ResponseWriter
	yet bool
}

// WriteHeader implements [http.ResponseWriter].
func (b *begun) WriteHeader(status int) {
	b.yet = b.yet || status >= 200
	b.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (b *begun) Write(p []byte) (int, error) {
	b.yet = true
	return b.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (b *begun) Unwrap() http.ResponseWriter { return b.ResponseWriter }
