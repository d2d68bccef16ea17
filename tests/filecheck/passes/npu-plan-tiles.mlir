// Loads and their places follow from what the machine can do in time: one that is far from its memory for its speed
// (attacc) needs larger loads and more places than one that is near (tiny).

// RUN: xdsl-opt %s -p 'attach-machine{name=tiny},npu-plan-tiles' | filecheck %s --check-prefix=TINY
// RUN: xdsl-opt %s -p 'attach-machine{name=attacc},npu-plan-tiles' | filecheck %s --check-prefix=ATTACC
// RUN: xdsl-opt %s -p 'attach-machine{name=neupims},npu-plan-tiles' | filecheck %s --check-prefix=FREE
// RUN: xdsl-opt %s -p 'attach-machine{name=neupims},npu-plan-tiles{attention=array}' | filecheck %s --check-prefix=FORCED

// TINY:        npu.linear %x, @w -> %y rows %rows {cycles = 8316 : i64, load_tiles = 4 : i64, load_slots = 6 : i64} :
// TINY-NEXT:   npu.linear %x, @v -> %y rows %rows {cycles = 8436 : i64, load_tiles = 2 : i64, load_slots = 12 : i64} :
// ATTACC:      npu.linear %x, @w -> %y rows %rows {cycles = 4906 : i64, load_tiles = 32 : i64, load_slots = 32 : i64} :
// ATTACC-NEXT: npu.linear %x, @v -> %y rows %rows {cycles = 1413 : i64, load_tiles = 16 : i64, load_slots = 16 : i64} :

// One token: 128 rows of weights for 128 keys are what an array loads, the vector unit of neupims takes a quarter of that.
// FREE:        npu.scores %q, @keys[%layer] at %past slot %slot -> %s rows %rows {cycles = 696 : i64, unit = #npu<unit vector>, load_tokens = 128 : i64, load_slots = 15 : i64} :
// FREE-NEXT:   npu.context %p, @values[%layer] at %past slot %slot -> %q rows %rows {cycles = 721 : i64, unit = #npu<unit vector>, load_tokens = 256 : i64, load_slots = 8 : i64} :
// FORCED:      npu.scores %q, @keys[%layer] at %past slot %slot -> %s rows %rows {cycles = 1054 : i64, unit = #npu<unit array>, load_tokens = 256 : i64, load_slots = 8 : i64} :
// FORCED-NEXT: npu.context %p, @values[%layer] at %past slot %slot -> %q rows %rows {cycles = 1543 : i64, unit = #npu<unit array>, load_tokens = 128 : i64, load_slots = 12 : i64} :

builtin.module {
  host.memory @w : tensor<512x512xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 512, padded_n = 512, group = 2>
  host.memory @v : tensor<512x512xf16> layout #npu.tiles<tile_k = 32, tile_n = 32, padded_k = 512, padded_n = 512, group = 16>
  func.func @linear(%x: !host.buffer<4x512xf16>, %y: !host.buffer<4x512xf16>, %rows: index) attributes {device = "npu"} {
    npu.linear %x, @w -> %y rows %rows : !host.buffer<4x512xf16> -> !host.buffer<4x512xf16>
    npu.linear %x, @v -> %y rows %rows : !host.buffer<4x512xf16> -> !host.buffer<4x512xf16>
    func.return
  }
  host.memory @keys : tensor<1x1x2x1024x128xf16> layout #npu.row_major<row_bytes = 256>
  host.memory @values : tensor<1x1x2x1024x128xf16> layout #npu.row_major<row_bytes = 256>
  func.func @attention(%q: !host.buffer<1x256xf16>, %s: !host.buffer<1x2x1024xf32>, %p: !host.buffer<1x2x1024xf16>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "npu"} {
    npu.scores %q, @keys[%layer] at %past slot %slot -> %s rows %rows : !host.buffer<1x256xf16> -> !host.buffer<1x2x1024xf32>
    npu.context %p, @values[%layer] at %past slot %slot -> %q rows %rows : !host.buffer<1x2x1024xf16> -> !host.buffer<1x256xf16>
    func.return
  }
}
