package journal

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"time"
)

// beacon is a session that holds a lock under the replica's name for as long as its process lives. The server gives the lock
// free when the process ends, however it ends, and so tells the other replicas at once. A process that is frozen, or cut off
// from the network, keeps it: that is what the end of its leases is for.
type beacon struct {
	stop func()
	done chan struct{}
}

const holdBeacon = `SELECT pg_advisory_lock(hashtextextended($1, 0))`

// beaconLook is how often the session is looked at, and made anew where it broke.
const beaconLook = time.Second

func lightBeacon(ctx context.Context, db *sql.DB, replica string) (*beacon, error) {
	conn, err := takeBeacon(ctx, db, replica)
	if err != nil {
		return nil, err
	}
	keeping, stop := context.WithCancel(context.Background())
	b := &beacon{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(b.done)
		keepBeacon(keeping, db, replica, conn)
	}()
	return b, nil
}

func takeBeacon(ctx context.Context, db *sql.DB, replica string) (*sql.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, holdBeacon, replica); err != nil {
		discard(conn)
		return nil, err
	}
	return conn, nil
}

// keepBeacon takes the lock again whenever the session broke: after a restart of the server, say.
func keepBeacon(ctx context.Context, db *sql.DB, replica string, conn *sql.Conn) {
	tick := time.NewTicker(beaconLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if conn != nil {
				discard(conn) // ends the session, and with it the lock
			}
			return
		case <-tick.C:
		}
		if conn != nil && !answers(ctx, conn) {
			discard(conn)
			conn = nil
		}
		if conn == nil {
			conn, _ = takeBeacon(ctx, db, replica) // tried again at the next tick; whoever reads or writes reports the trouble
		}
	}
}

func answers(ctx context.Context, conn *sql.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	return conn.PingContext(ctx) == nil
}

// discard closes a connection for good, in place of giving it back to the pool.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = conn.Close()
}

func (b *beacon) close() {
	b.stop()
	<-b.done
}
