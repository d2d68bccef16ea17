// Without room for all side by side, buffers of a kernel share bytes when their lives do not touch.

// RUN: xdsl-opt %s -p npu-allocate-scratchpad | filecheck %s

// %c is born when %a is dead.
// CHECK:          %a = host.buffer {address = 544 : i64} : !host.buffer<512xf16>
// CHECK-NEXT:     %b = host.buffer {address = 1568 : i64} : !host.buffer<256xf32>
// CHECK-NEXT:     %c = host.buffer {slots = 2 : i64, address = 544 : i64} : !host.buffer<16x16xf16>

builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 2560, accumulator_bytes = 128, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  func.func @big(%x: !host.buffer<4x64xf16>) attributes {device = "npu"} {
    %a = host.buffer : !host.buffer<512xf16>
    %b = host.buffer : !host.buffer<256xf32>
    %c = host.buffer {slots = 2 : i64} : !host.buffer<16x16xf16>
    npu.fill(dst = %a, dst_stride = 2, dst_type = f16, rows = 1, cols = 512) : !host.buffer<512xf16>
    npu.unary(function = copy, dst = %b, dst_stride = 4, dst_type = f32, a = %a, a_stride = 2, a_type = f16, rows = 1, cols = 256) : !host.buffer<256xf32>, !host.buffer<512xf16>
    npu.unary(function = copy, dst = %c, dst_stride = 4, dst_type = f16, a = %b, a_stride = 4, a_type = f32, rows = 1, cols = 256) : !host.buffer<16x16xf16>, !host.buffer<256xf32>
    func.return
  }
  func.func @scores(%x: !host.buffer<4x64xf16>) attributes {device = "pim"} {
    %s = host.buffer : !host.buffer<2x20xf32, softmax>
    %p = host.buffer : !host.buffer<2x20xf16, softmax>
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    %tokens = host.buffer {role = "tokens"} : !host.buffer<3xi32>
    %x = host.buffer : !host.buffer<4x64xf16>
    func.return
  }
}
