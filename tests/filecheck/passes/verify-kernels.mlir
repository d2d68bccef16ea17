// Kernels of structured ops on buffers pass unchanged.

// RUN: xdsl-opt %s -p verify-kernels | filecheck %s

// CHECK:          npu.linear %x, @w -> %y rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>

builtin.module {
  host.memory @w : tensor<64x64xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 64, padded_n = 64, group = 2>
  func.func @k(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x64xf16>, %rows: index) attributes {device = "npu"} {
    npu.linear %x, @w -> %y rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    func.return
  }
}
