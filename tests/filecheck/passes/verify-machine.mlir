// Instructions that the machine has, with numbers for places, pass unchanged.

// RUN: xdsl-opt %s -p verify-machine | filecheck %s

// CHECK:          npu.preload(array = 0, weights = 512 + 512 * %slot, weights_stride = 32, k = 16, n = 16) : index
// CHECK:          pim.activate(row = 3, channel = 0, channels = 2)

builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  host.memory @w : tensor<64x64xf16> layout #npu.row_major<row_bytes = 128> {address = 0 : i64}
  func.func @npu(%x: !host.buffer<4x64xf16>, %rows: index) attributes {device = "npu"} {
    %tile = host.buffer {slots = 2 : i64, address = 512 : i64} : !host.buffer<16x16xf16>
    %slot = npu.advance %tile of 2 : !host.buffer<16x16xf16>
    npu.preload(array = 0, weights = 512 + 512 * %slot, weights_stride = 32, k = 16, n = 16) : index
    func.return
  }
  func.func @pim(%rows: index) attributes {device = "pim"} {
    pim.activate(row = 3, channel = 0, channels = 2)
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    func.return
  }
}
