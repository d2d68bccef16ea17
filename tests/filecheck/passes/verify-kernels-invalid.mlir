// RUN: xdsl-opt %s -p verify-kernels --split-input-file --verify-diagnostics | filecheck %s

// CHECK: @k: llm.add is not allowed at stage kernels
builtin.module {
  func.func @k(%x: !host.buffer<4x64xf16>, %rows: index) attributes {device = "npu"} {
    %h = host.read %x rows %rows : !host.buffer<4x64xf16> -> tensor<?x64xf16>
    %y = llm.add %h, %h : tensor<?x64xf16>
    host.write %y, %x rows %rows : tensor<?x64xf16> -> !host.buffer<4x64xf16>
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    %x = host.buffer : !host.buffer<4x64xf16>
    %e = host.launch @k(%x, %rows) : !host.buffer<4x64xf16>, index
    func.return
  }
}

// -----

// CHECK: @k: npu.linear is not allowed at stage kernels
builtin.module {
  host.memory @w : tensor<64x64xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 64, padded_n = 64, group = 2>
  func.func @k(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x64xf16>, %rows: index) attributes {device = "pim"} {
    npu.linear %x, @w -> %y rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    func.return
  }
}

// -----

// CHECK: npu.linear names weight @w, which is no host.memory
builtin.module {
  host.memory @v : tensor<64x64xf16> layout #npu.tiles<tile_k = 16, tile_n = 16, padded_k = 64, padded_n = 64, group = 2>
  func.func @k(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x64xf16>, %rows: index) attributes {device = "npu"} {
    npu.linear %x, @w -> %y rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    func.return
  }
}

// -----

// CHECK: @k: npu.fill is not allowed at stage kernels
builtin.module {
  func.func @k(%x: !host.buffer<4x64xf16>) attributes {device = "npu"} {
    npu.fill(dst = %x, dst_stride = 128, dst_type = f16, rows = 4, cols = 64) : !host.buffer<4x64xf16>
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    func.return
  }
}
