// Loads and their places follow from what the machine can do in time: one that is far from its memory for its speed
// (attacc) needs larger loads and more places than one that is near (tiny).

// RUN: xdsl-opt %s -p 'attach-machine{name=tiny},npu-plan-tiles' | filecheck %s --check-prefix=TINY
// RUN: xdsl-opt %s -p 'attach-machine{name=attacc},npu-plan-tiles' | filecheck %s --check-prefix=ATTACC

// TINY:        npu.linear %x, @w -> %y rows %rows {cycles = 8316 : i64, load_tiles = 4 : i64, load_slots = 6 : i64} :
// TINY-NEXT:   npu.linear %x, @v -> %y rows %rows {cycles = 8436 : i64, load_tiles = 2 : i64, load_slots = 12 : i64} :
// ATTACC:      npu.linear %x, @w -> %y rows %rows {cycles = 4906 : i64, load_tiles = 32 : i64, load_slots = 32 : i64} :
// ATTACC-NEXT: npu.linear %x, @v -> %y rows %rows {cycles = 1413 : i64, load_tiles = 16 : i64, load_slots = 16 : i64} :

builtin.module {
  host.memory @w : tensor<512x512xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 512, padded_n = 512, group = 2>
  host.memory @v : tensor<512x512xf16> layout #npu.tiles<tile_k = 32, tile_n = 32, padded_k = 512, padded_n = 512, group = 16>
  func.func @linear(%x: !host.buffer<4x512xf16>, %y: !host.buffer<4x512xf16>, %rows: index) attributes {device = "npu"} {
    npu.linear %x, @w -> %y rows %rows : !host.buffer<4x512xf16> -> !host.buffer<4x512xf16>
    npu.linear %x, @v -> %y rows %rows : !host.buffer<4x512xf16> -> !host.buffer<4x512xf16>
    func.return
  }
}
