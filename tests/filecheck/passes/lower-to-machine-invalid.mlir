// RUN: xdsl-opt %s -p lower-to-machine --split-input-file --verify-diagnostics | filecheck %s

// CHECK: host.memory @w has no place: run assign-memory first
host.memory @w : tensor<64x64xf16> layout #npu.row_major<row_bytes = 128>
func.func @k(%x: !host.buffer<4x64xf16>) attributes {device = "npu"} {
  %w = host.address_of @w
  npu.load(dram = %w, dram_stride = 128, rows = 1, row_bytes = 512, local = %x, local_stride = 512) : index, !host.buffer<4x64xf16>
  func.return
}

// -----

// CHECK: a host.buffer has no address: run npu-allocate-scratchpad first
func.func @k() attributes {device = "npu"} {
  %x = host.buffer : !host.buffer<4x64xf16>
  npu.fill(dst = %x, dst_stride = 128, dst_type = f16, rows = 4, cols = 64) : !host.buffer<4x64xf16>
  func.return
}
