package vault

import (
	"encoding/json"
	"testing"

	"github.com/rotatord/rotatord/rotator"
)

// FuzzExamine reads back entries that anybody may have written. What is taken for ours has our mark for this place, the number
// of this write and the secret that the mark was made with: with any other secret it is somebody else's.
func FuzzExamine(f *testing.F) {
	s := &Sink{options: Options{Mount: "kv", Field: "api_key"}}
	d := rotator.Delivery{Location: "kv/ci/deploy", Version: 3, Rotation: "r3", Fingerprint: "f3", KeyID: "3", KeyName: "deploy-r0003",
		Secret: rotator.SecretString("s3cret")}
	ours, err := json.Marshal(s.compose(entry{}, d, 7))
	if err != nil {
		f.Fatal(err)
	}
	if found := s.examine(kv2{mount: "kv"}, entry{present: true, data: s.compose(entry{}, d, 7), kv: 7}, d.Location); found.Foreign != "" {
		f.Fatalf("what we wrote is not ours: %s", found.Foreign)
	}
	f.Add(string(ours), 7)
	f.Add(string(ours), 8)
	for _, data := range []string{`{}`, `{"api_key":1}`, `{"rotatord":"{}"}`, `{"rotatord":"null","api_key":"s"}`, `{"rotatord":{"path":"ci/deploy"}}`,
		`{"api_key":"","rotatord":"{\"path\":\"ci/deploy\",\"version\":1e9}"}`} {
		f.Add(data, 0)
	}
	f.Fuzz(func(t *testing.T, data string, kv int) {
		now := entry{present: true, kv: kv}
		if json.Unmarshal([]byte(data), &now.data) != nil {
			return
		}
		found := s.examine(kv2{mount: "kv"}, now, d.Location)
		if found.Foreign != "" {
			return
		}
		if found.Mark == nil {
			t.Fatalf("%s is ours without a mark", data)
		}
		now.kv++
		if s.examine(kv2{mount: "kv"}, now, d.Location).Foreign == "" {
			t.Fatalf("%s is ours as write %d and as write %d", data, kv, kv+1)
		}
		now.kv--
		if s.examine(kv2{mount: "kv"}, now, "kv/ci/other").Foreign == "" {
			t.Fatalf("%s is ours in another place too", data)
		}
		now.data["api_key"] = string(found.Secret.Reveal()) + "x"
		if s.examine(kv2{mount: "kv"}, now, d.Location).Foreign == "" {
			t.Fatalf("%s is ours with another secret too", data)
		}
	})
}
