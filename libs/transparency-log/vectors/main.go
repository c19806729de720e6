// Command vectors writes what Go's own transparency log says about trees, tiles, proofs and notes, as JSON on standard
// output: an implementation that shares nothing with this package. Leaf i is the record "leaf <i>".
//
//	go run . > vectors.json
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"strings"

	cosig "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	maxSize    = 70_000
	tileHeight = 8
	logName    = "kontor.example/log/0"
	witness    = "witness.example/w1"
)

type root struct {
	Size int64  `json:"size"`
	Root string `json:"root"`
}

type tile struct {
	Path   string `json:"path"`
	Sha256 string `json:"sha256"`
}

type tiles struct {
	Size  int64  `json:"size"`
	Tiles []tile `json:"tiles"`
}

// A proof of the leaf or the tree `of` in the tree of `size` leaves. Only the digest of its hashes stands here.
type proof struct {
	Of     int64  `json:"of"`
	Size   int64  `json:"size"`
	Hashes int    `json:"hashes"`
	Sha256 string `json:"sha256"`
}

type signed struct {
	Name        string `json:"name"`
	Seed        string `json:"seed"`
	VerifierKey string `json:"verifierKey"`
	Note        string `json:"note"`
}

type vectors struct {
	Source      string  `json:"source"`
	Roots       []root  `json:"roots"`
	Tiles       []tiles `json:"tiles"`
	Inclusion   []proof `json:"inclusion"`
	Consistency []proof `json:"consistency"`
	Log         signed  `json:"log"`
	Witness     signed  `json:"witness"`
}

var stored []tlog.Hash

var reader = tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = stored[index]
	}
	return hashes, nil
})

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

func digest(hashes []tlog.Hash) string {
	var all []byte
	for _, hash := range hashes {
		all = append(all, hash[:]...)
	}
	return sum(all)
}

// The tiles of a tree: the full ones, and the partial ones of exactly this size.
func tilesOf(size int64) tiles {
	out := tiles{Size: size}
	for level, hashes := 0, size; hashes > 0; level, hashes = level+1, hashes>>tileHeight {
		for index := int64(0); index<<tileHeight < hashes; index++ {
			t := tlog.Tile{H: tileHeight, L: level, N: index, W: int(min(hashes-index<<tileHeight, 1<<tileHeight))}
			data := must(tlog.ReadTileData(t, reader))
			path := strings.Replace(t.Path(), fmt.Sprintf("tile/%d/", tileHeight), "tile/", 1)
			out.Tiles = append(out.Tiles, tile{path, sum(data)})
		}
	}
	return out
}

// The private key of a note in Go's own text form.
func signerKey(name string, seed []byte) (skey, vkey string) {
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	vkey = must(note.NewEd25519VerifierKey(name, public))
	id := strings.Split(vkey, "+")[1]
	return "PRIVATE+KEY+" + name + "+" + id + "+" + base64.StdEncoding.EncodeToString(append([]byte{1}, seed...)), vkey
}

func main() {
	out := vectors{Source: "golang.org/x/mod/sumdb/{tlog,note}, github.com/transparency-dev/formats/note"}
	for i := int64(0); i < maxSize; i++ {
		hashes := must(tlog.StoredHashes(i, fmt.Appendf(nil, "leaf %d", i), reader))
		stored = append(stored, hashes...)
	}

	for size := int64(0); size <= maxSize; size++ {
		near := size&(size-1) == 0 || size&(size+1) == 0 || (size > 0 && (size-1)&(size-2) == 0)
		if size <= 300 || size%9973 == 0 || size == maxSize || near {
			hash := must(tlog.TreeHash(size, reader))
			out.Roots = append(out.Roots, root{size, base64.StdEncoding.EncodeToString(hash[:])})
		}
	}
	for _, size := range []int64{1, 255, 256, 257, 1000, 65_535, 65_536, maxSize} {
		out.Tiles = append(out.Tiles, tilesOf(size))
	}
	chance := rand.New(rand.NewSource(1))
	for i := 0; i < 200; i++ {
		size := 1 + chance.Int63n(maxSize)
		if i < 100 {
			size = 1 + chance.Int63n(600)
		}
		index := chance.Int63n(size)
		inclusion := must(tlog.ProveRecord(size, index, reader))
		out.Inclusion = append(out.Inclusion, proof{index, size, len(inclusion), digest(inclusion)})
		old := 1 + chance.Int63n(size)
		consistency := must(tlog.ProveTree(size, old, reader))
		out.Consistency = append(out.Consistency, proof{old, size, len(consistency), digest(consistency)})
	}

	logSeed, witnessSeed := sha256.Sum256([]byte("log")), sha256.Sum256([]byte("witness"))
	rootHash := must(tlog.TreeHash(maxSize, reader))
	text := fmt.Sprintf("%s\n%d\n%s\n", logName, maxSize, base64.StdEncoding.EncodeToString(rootHash[:]))
	skey, vkey := signerKey(logName, logSeed[:])
	signedNote := must(note.Sign(&note.Note{Text: text}, must(note.NewSigner(skey))))
	out.Log = signed{logName, hex.EncodeToString(logSeed[:]), vkey, string(signedNote)}

	wkey, wvkey := signerKey(witness, witnessSeed[:])
	cosigned := must(note.Sign(&note.Note{Text: text}, must(cosig.NewSignerForCosignatureV1(wkey))))
	out.Witness = signed{witness, hex.EncodeToString(witnessSeed[:]), must(cosig.VKeyToCosignatureV1(wvkey)), string(cosigned)}

	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(out); err != nil {
		panic(err)
	}
}
