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

// A note with several signatures, some of keys that a reader does not know, in any order.
type opened struct {
	Note  string   `json:"note"`
	Known []string `json:"known"`
	// Names of the known keys that signed, in the order of the lines; empty if Go refuses the note.
	SignedBy []string `json:"signedBy"`
}

// The path of a tile at a large index, which no tree here has.
type path struct {
	Level int    `json:"level"`
	Index int64  `json:"index"`
	Width int    `json:"width"`
	Path  string `json:"path"`
}

type vectors struct {
	Source      string   `json:"source"`
	Roots       []root   `json:"roots"`
	Tiles       []tiles  `json:"tiles"`
	Inclusion   []proof  `json:"inclusion"`
	Consistency []proof  `json:"consistency"`
	Log         signed   `json:"log"`
	Witness     signed   `json:"witness"`
	Notes       []opened `json:"notes"`
	Paths       []path   `json:"paths"`
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

// Notes over one text by two keys of the log, as while a key is changed, a witness and a stranger.
func notes(text string) []opened {
	var signers []note.Signer
	var keys []string
	for i, name := range []string{logName, logName, witness, "stranger.example/log"} {
		seed := sha256.Sum256(fmt.Appendf(nil, "note %d", i))
		skey, vkey := signerKey(name, seed[:])
		if name == witness {
			signers = append(signers, must(cosig.NewSignerForCosignatureV1(skey)))
			vkey = must(cosig.VKeyToCosignatureV1(vkey))
		} else {
			signers = append(signers, must(note.NewSigner(skey)))
		}
		keys = append(keys, vkey)
	}
	verifierOf := func(i int) note.Verifier {
		if i == 2 {
			return must(cosig.NewVerifierForCosignatureV1(keys[i]))
		}
		return must(note.NewVerifier(keys[i]))
	}
	// Go's Sign takes one signer of a name and a key hash; the order of the lines is that of the signers.
	var out []opened
	for _, by := range [][]int{{0}, {0, 1}, {1, 0}, {0, 2}, {3, 2, 1, 0}, {3}} {
		var chosen []note.Signer
		for _, i := range by {
			chosen = append(chosen, signers[i])
		}
		signedNote := string(must(note.Sign(&note.Note{Text: text}, chosen...)))
		changed := strings.Replace(signedNote, "\n70000\n", "\n70001\n", 1)
		for _, known := range [][]int{{0}, {1}, {0, 1, 2}, {2}} {
			var verifiers []note.Verifier
			one := opened{Note: signedNote, Known: []string{}, SignedBy: []string{}}
			for _, i := range known {
				verifiers = append(verifiers, verifierOf(i))
				one.Known = append(one.Known, keys[i])
			}
			for _, text := range []string{signedNote, changed} {
				one.Note, one.SignedBy = text, []string{}
				if n, err := note.Open([]byte(text), note.VerifierList(verifiers...)); err == nil {
					for _, sig := range n.Sigs {
						one.SignedBy = append(one.SignedBy, sig.Name)
					}
				}
				out = append(out, one)
			}
		}
	}
	return out
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
	for _, size := range []int64{1, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 65_537, maxSize} {
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

	out.Notes = notes(text)
	for _, index := range []int64{0, 7, 999, 1000, 1234067, 999_999_999, 1 << 40} {
		for _, width := range []int{1, 17, 255, 256} {
			level := int(index % 8)
			t := tlog.Tile{H: tileHeight, L: level, N: index, W: width}
			out.Paths = append(out.Paths, path{level, index, width, strings.Replace(t.Path(), fmt.Sprintf("tile/%d/", tileHeight), "tile/", 1)})
		}
	}

	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(out); err != nil {
		panic(err)
	}
}
