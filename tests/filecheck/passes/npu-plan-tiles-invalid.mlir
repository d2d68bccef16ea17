// Only weights in tiles can be planned for, and a tile program takes only loads that divide them.

// RUN: not xdsl-opt %s -p 'attach-machine{name=tiny},npu-plan-tiles' 2>&1 | filecheck %s
// RUN: not xdsl-opt %s -p 'attach-machine{name=tiny},npu-tile' 2>&1 | filecheck %s --check-prefix=TILE

// CHECK: @rows has layout #npu.row_major<row_bytes = 1024>, expected #npu.tiles<…>
// TILE: npu.linear loads 3 tiles of @w at once, expected a divisor of its group of 2, or 2 times a divisor of its depth of 32

builtin.module {
  host.memory @w : tensor<512x512xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 512, padded_n = 512, group = 2>
  host.memory @rows : tensor<512x512xf16> layout #npu.row_major<row_bytes = 1024>
  func.func @linear(%x: !host.buffer<4x512xf16>, %y: !host.buffer<4x512xf16>, %rows: index) attributes {device = "npu"} {
    npu.linear %x, @w -> %y rows %rows {load_tiles = 3 : i64} : !host.buffer<4x512xf16> -> !host.buffer<4x512xf16>
    npu.linear %x, @rows -> %y rows %rows : !host.buffer<4x512xf16> -> !host.buffer<4x512xf16>
    func.return
  }
}
