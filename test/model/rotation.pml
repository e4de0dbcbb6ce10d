/* The stages of a rotation, and the lease that lets several replicas share them. docs/model.md says what stands for
   what in the code. One account, one credential, two sinks, two replicas.

   A replica that is frozen needs nothing of its own here: any process may stand still between two instructions for as
   long as the others like, and then go on. */

#ifndef ONLY
#define ONLY 0            /* which property is checked: 0 for all */
#endif
#ifndef CRASHES
#define CRASHES 1         /* how often a replica is killed */
#endif
#ifndef TAKEOVERS
#define TAKEOVERS 1       /* how often the lease goes to the other replica, or is renewed after a lapse */
#endif
#ifndef LOST
#define LOST 1            /* how many answers of the provider or the journal are lost */
#endif
#ifndef MISHAPS
#define MISHAPS 1         /* sinks that lose what they had, new keys that do not work */
#endif
#ifndef PEOPLE
#define PEOPLE 1          /* how often an operator holds, starts over or undoes */
#endif
#ifndef ROTATIONS
#define ROTATIONS 2
#endif

#define KEYS 7            /* versions; version 0 is the key that was there before */
#define BIT(k) (1 << (k))
#define IN(set, k) ((set) & BIT(k))
#define NOBODY 9

mtype = { planned, minting, minted, testing, delivering, confirmed, grace, deactivating, soaking, reactivating, revoking,
          abandoning, ended };
mtype = { none, live, refused, disabled, revoked };

/* The journal: one row for the rotation, one bit for each name. */
mtype stage = planned;
byte rotations = 1, version = 1, old = 0;
byte confirms, discarded;            /* sinks that were read back; keys that were given up */
byte intended, sealed;               /* names that were ever intended; of these, the ones whose secret was sealed */
bool hold;
byte stale;                          /* replicas that read the rotation before its last commit: the sequence number */

/* The row that says who owns the account, and for the how manieth time it changed hands. */
byte owner, epoch;

/* The provider, and the sinks: sink[i] is the version that a consumer reads there. */
mtype key[KEYS];
byte listed, underway;               /* keys that its list shows; creates that it will carry out later */
byte sink[2];

/* What only the model knows. */
byte made[KEYS];                     /* keys made under each name */
byte committer[TAKEOVERS + 1];       /* who committed in each epoch */
byte busy, judging;                  /* replicas in the middle of something; replicas between their first look for evidence and their last call */
chan kill[2] = [0] of { bit };
byte crashes, takeovers, losses, mishaps, acts;

#define BROKEN(guarantee, text) if :: (ONLY == 0 || ONLY == guarantee) -> printf("BROKEN: "); printf(text); assert(false) :: else fi
#define HOLDS(v) (sink[0] == (v) && sink[1] == (v))
#define CLEAR judging = judging & ~BIT(me); busy = busy & ~BIT(me); k = 0; gone = 0; has = 0; o = 0; e = 0; v = 0; at = 0
#define SAY(text) printf("replica %d, epoch %d, version %d: ", me, e, v); printf(text)

/* The fence. Every commit names the epoch in which its step was begun, and the sequence number that it was made from. */
#ifdef NO_FENCE
#define FENCE true
#elif defined(FENCE_BY_OWNER)
#define FENCE (owner == me)
#else
#define FENCE (epoch == e)
#endif

inline commit(to) {
	if
	:: FENCE && !IN(stale, me) ->
		if :: owner != me -> BROKEN(6, "G6, a replica wrote that does not own the account\n") :: else fi;
		if :: committer[epoch] != NOBODY && committer[epoch] != me -> BROKEN(6, "G6, two replicas wrote in one epoch\n") :: else fi;
		committer[epoch] = me;
		stale = BIT(1 - me); stage = to;
		printf("replica %d, epoch %d, version %d: %e -> %e\n", me, e, v, at, to);
		at = to
	:: else -> SAY("the journal refuses the commit\n"); CLEAR; goto again
	fi
}

inline create(k) {
	made[k]++;
	if :: made[k] > 1 -> BROKEN(5, "G5, the provider was made to make two keys of one name\n") :: else fi;
	key[k] = live;
	if :: mishaps < MISHAPS -> mishaps++; key[k] = refused; printf("the provider makes key %d, which does not work\n", k)
	   :: printf("the provider makes key %d\n", k)
	fi
}

/* Revoking what is gone succeeds. */
inline revoke(k) { if :: key[k] != none -> key[k] = revoked; printf("replica %d revokes key %d\n", me, k) :: else fi }

#define ORPHAN(k) (IN(listed, k) && IN(intended, k) && !IN(sealed, k) && key[k] != revoked && !(stage == minting && version == k))

/* Due: the journal has something to do that does not wait for a person or another day. */
#define DUE ((stage == ended && rotations < ROTATIONS) || \
	(stage == planned && !hold) || \
	((stage == deactivating || stage == revoking) && !hold && HOLDS(version)) || \
	(stage != ended && stage != planned && stage != deactivating && stage != revoking))

/* The key to replace is gone already. Once a key was given up, there is one to revoke, and there is no way back. */
#ifdef SUPERSEDED_AFTER_START_OVER
#define SUPERSEDED (key[o] != live)
#else
#define SUPERSEDED (key[o] != live && gone == BIT(o))
#endif

#define CALM (stage == ended || stage == minted || stage == confirmed || stage == grace || stage == soaking)
#define READ e = epoch; stale = stale & ~BIT(me); at = stage; v = version; o = old; has = confirms; gone = discarded | BIT(old); busy = busy | BIT(me)

proctype Replica(byte me) {
	byte e, v, o, has, gone, k;      /* what it read of the journal when the step began */
	mtype at;
again:	{
	do
	/* Nothing lies between reading and committing where a step has no effect. */
	:: atomic { owner == me && CALM && DUE -> READ;
		if
		:: at == ended ->
			/* The newest key that works is replaced next; names are never used again. */
			k = KEYS - 1; do :: key[k] != live && k > 0 -> k-- :: else -> break od;
			commit(planned); rotations++; version++; old = k; confirms = 0; discarded = 0
		:: at == minted -> commit(testing)
		:: at == confirmed -> commit(grace)
		:: at == grace -> if :: true -> commit(revoking) :: true -> commit(deactivating) fi
		:: at == soaking -> commit(revoking)
		fi; CLEAR }
	:: atomic { owner == me && !CALM && DUE -> READ };
		if
		:: at == planned && SUPERSEDED -> atomic { commit(ended) }
		:: at == planned && !SUPERSEDED && IN(listed, v) -> atomic { commit(planned); version++ }
		:: at == planned && !SUPERSEDED && !IN(listed, v) ->
#ifndef EFFECT_BEFORE_INTENT
			atomic { commit(minting); intended = intended | BIT(v) };
#endif
			if
			:: atomic { create(v) };
			:: atomic { losses < LOST -> losses++; SAY("the answer of the create is lost, the key is made\n"); create(v); goto again }
			:: atomic { losses < LOST -> losses++; SAY("the answer of the create is lost, the key is made later\n"); underway = underway | BIT(v); goto again }
			:: atomic { losses < LOST -> losses++; SAY("the create is refused\n"); commit(planned); goto again }
			fi;
#ifdef EFFECT_BEFORE_INTENT
			atomic { commit(minting); intended = intended | BIT(v) };
#endif
			/* The seal. Its answer may be lost too: then the commit is repeated, and refused. */
			if
			:: atomic { FENCE && !IN(stale, me) -> commit(minted); sealed = sealed | BIT(v);
				if :: losses < LOST -> losses++; SAY("the answer of the journal is lost\n") :: goto again fi }
			:: atomic { !(FENCE && !IN(stale, me)) -> SAY("the journal refuses the sealed secret\n") }
			fi;
			/* A key that nobody can have is revoked while its id is known. */
#ifdef REVOKE_ON_REFUSED_SEAL
			atomic { revoke(v) }
#else
			if :: atomic { !IN(sealed, v) -> SAY("nobody will have the key\n") }; atomic { revoke(v) } :: IN(sealed, v) fi
#endif
		:: at == minting ->
#ifdef RETRY_UNKNOWN
			atomic { create(v) }; atomic { commit(minted); sealed = sealed | BIT(v) }
#else
			/* Asked by name. A key that is there has no owner: its secret was lost with the answer. */
			if :: IN(listed, v) -> atomic { revoke(v) } :: !IN(listed, v) fi;
			atomic { commit(planned); version++ }
#endif
		:: at == testing ->
#ifndef NO_TEST
			if
			:: key[v] != live -> atomic { commit(abandoning) }; goto again
			:: key[v] == live
			fi;
#endif
			atomic { commit(delivering); confirms = 0 }
		:: at == delivering ->
			do
			:: k < 2 && !IN(has, k) ->
				/* A sink takes nothing older than what it is marked with, compared and written in one. */
				atomic {
#ifndef SINK_TAKES_OLDER
					if :: sink[k] <= v -> sink[k] = v; printf("replica %d: sink %d holds version %d\n", me, k, v)
					   :: else -> SAY("a sink refuses the older version\n") fi
#else
					sink[k] = v; printf("replica %d: sink %d holds version %d\n", me, k, v)
#endif
				};
				/* Read back: what was taken and lost is delivered again by the next step. */
				if :: sink[k] == v -> has = has | BIT(k) :: sink[k] != v fi;
				k++
			:: k < 2 && IN(has, k) -> k++
			:: k == 2 -> break
			od;
			if
			:: has == 3 -> atomic { commit(confirmed); confirms = 3 }
			:: has != 3 -> atomic { commit(delivering); confirms = has }
			fi
		:: at == reactivating ->
			if :: atomic { key[o] == disabled -> key[o] = live } :: key[o] != disabled fi;
			atomic { commit(grace) }
		:: at == deactivating || at == revoking ->
			/* The evidence: each sink, then the new key, then the people, all of it now. */
			judging = judging | BIT(me);
#ifdef RETIRE_READ_ANEW
			gone = discarded | BIT(old);
#endif
#ifndef NO_READ_BACK
			if :: sink[0] == v :: sink[0] != v -> goto judged fi;
			if :: sink[1] == v :: sink[1] != v -> goto judged fi;
#endif
			if :: key[v] == live && !hold :: key[v] != live || hold -> goto judged fi;
			do
			:: atomic { gone != 0 -> k = 0; do :: !IN(gone, k) -> k++ :: else -> break od; gone = gone & ~BIT(k);
				if :: at == revoking -> revoke(k)
				   :: at == deactivating && key[k] == live -> key[k] = disabled; printf("replica %d switches key %d off\n", me, k)
				   :: else fi }
			:: gone == 0 -> break
			od;
			if :: at == revoking -> atomic { commit(ended) } :: at == deactivating -> atomic { commit(soaking) } fi;
judged:			judging = judging & ~BIT(me)
		:: at == abandoning -> atomic { revoke(v) };
			/* With a key that was given up there is more to revoke than the new one: another is made. */
#ifndef ABANDONED_AFTER_START_OVER
			if :: gone != BIT(o) -> atomic { commit(planned); version++; goto again } :: gone == BIT(o) fi;
#endif
			atomic { commit(ended) }
		fi; CLEAR
	:: atomic { owner == me && (ORPHAN(1) || ORPHAN(2) || ORPHAN(3) || ORPHAN(4) || ORPHAN(5) || ORPHAN(6)) ->
		/* The scan: keys under a name that was intended and never sealed. The call follows later. */
		READ; k = 1; do :: !ORPHAN(k) -> k++ :: else -> break od };
		atomic { revoke(k) }; CLEAR
	od
	} unless { atomic { kill[me]?_ -> printf("replica %d is killed\n", me); CLEAR; goto again } }
}

#define ACCEPTED(i) (key[sink[i]] == live)
#define LIST(k) atomic { key[k] != none && !IN(listed, k) && !IN(sealed, k) -> listed = listed | BIT(k); printf("the provider lists key %d\n", k) }
#define LAND(k) atomic { IN(underway, k) -> underway = underway & ~BIT(k); create(k) }
#define LOSE(i) atomic { mishaps < MISHAPS && !judging && sink[i] != old && key[old] == live -> mishaps++; sink[i] = old; \
	printf("sink %d falls back to version %d\n", i, old) }
#define TAKE(i) atomic { takeovers < TAKEOVERS -> takeovers++; RAISE; owner = i; printf("replica %d takes the lease, epoch %d\n", i, epoch) }
#ifdef EPOCH_STAYS
#define RAISE skip
#else
#define RAISE epoch++
#endif
#define KILL(i) atomic { crashes < CRASHES && IN(busy, i) -> crashes++; kill[i]!1 }
#define KEPT(k) (key[k] == none || key[k] == revoked || sink[0] == k || sink[1] == k || \
	(stage != ended && ((version == k && IN(sealed, k)) || IN(discarded, k))))

/* Everything that is not a replica. Each kind of trouble comes a bounded number of times, at any moment. */
proctype World() {
	byte k;
	do
	:: KILL(0) :: KILL(1) :: TAKE(0) :: TAKE(1) :: LOSE(0)
	:: LIST(1) :: LIST(2) :: LIST(3) :: LIST(4) :: LIST(5) :: LIST(6)
	:: LAND(1) :: LAND(2) :: LAND(3) :: LAND(4) :: LAND(5) :: LAND(6)
	:: atomic { acts < PEOPLE -> acts++; hold = true; printf("an operator holds the credential\n") }
	:: atomic { hold -> hold = false; printf("the hold is released\n") }
	:: atomic { acts < PEOPLE && (stage == delivering || stage == grace || stage == revoking) -> acts++; stale = 3;
		discarded = discarded | BIT(version); version++; confirms = 0; stage = planned; printf("an operator starts over\n") }
	:: atomic { acts < PEOPLE && (stage == soaking || stage == revoking) && key[old] == disabled -> acts++; stale = 3;
		stage = reactivating; printf("an operator wants the old key back\n") }
	:: timeout -> break
	od;
	/* Nothing can happen any more: every run ends here, and so what must happen in the end has happened. */
	atomic {
		if :: stage != ended && (HOLDS(version) || (stage != revoking && stage != deactivating)) -> BROKEN(8, "G8, the rotation stands still, and nobody is told why\n")
		   :: else fi;
		k = 1;
		do
		:: k < KEYS -> if :: !KEPT(k) -> printf("key %d\n", k); BROKEN(2, "G2, a key stays that nobody has\n") :: else fi; k++
		:: k == KEYS -> break
		od
	}
}

/* A gap is a sink that holds a key which the provider does not accept. */
proctype Consumers() {
	atomic { !ACCEPTED(0) || !ACCEPTED(1) -> BROKEN(1, "G1, a sink holds a key that the provider does not accept\n") }
}

init {
	atomic {
		byte i;
		for (i : 0 .. TAKEOVERS) { committer[i] = NOBODY }
		for (i : 1 .. KEYS - 1) { key[i] = none }
		key[0] = live; i = 0;
		run Consumers(); run World(); run Replica(0); run Replica(1)
	}
}

